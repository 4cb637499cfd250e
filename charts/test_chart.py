"""What every rendering of the chart must keep, whatever the values, and what single values change."""

import asyncio
import functools
import hashlib
import json
import unittest

import helm_sdkpy
import kubernetes_validate
import yaml

from program import accepts
from release import CHART, VALUE_SETS, install, lint, values_of

# The oldest Kubernetes that Chart.yaml allows, and the newest whose schemas are at hand.
KUBERNETES = ("1.30", "1.37")
INFORMATION = 1
RELEASES = {}


def setUpModule():
    RELEASES.update({name: install(values_of(name)) for name in VALUE_SETS})


def of_every_release(law):
    """Makes a test of a law on one release: it is checked on each value set."""
    @functools.wraps(law)
    def test(self):
        for name, release in RELEASES.items():
            with self.subTest(values=name):
                law(self, release)

    return test


class EveryRelease(unittest.TestCase):
    """Laws, checked on each value set of the ci folder."""

    def test_helm_lints_it_without_a_warning(self):
        for name in VALUE_SETS:
            with self.subTest(values=name):
                self.assertEqual([each for each in lint(values_of(name)) if each[0] > INFORMATION], [])

    @of_every_release
    def test_kubernetes_knows_every_field(self, release):
        for each in release.objects:
            if each["kind"] == "ServiceMonitor":  # The operator's own kind, checked below.
                continue
            for version in KUBERNETES:
                kubernetes_validate.validate(each, version, strict=True)

    @of_every_release
    def test_containers_may_do_nothing_but_compute(self, release):
        pod = release.pod["securityContext"]
        self.assertTrue(pod["runAsNonRoot"])
        self.assertEqual({pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]}, {65532})
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        for container in release.pod["containers"] + release.pod.get("initContainers", []):
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            })

    @of_every_release
    def test_the_pod_gets_no_token_of_the_cluster(self, release):
        self.assertFalse(release.pod["automountServiceAccountToken"])
        self.assertFalse(release.the("ServiceAccount")["automountServiceAccountToken"])

    def test_the_grace_period_outlasts_pause_and_drain(self):
        drains = {"default": 30, "gpu": 120, "ingress": 30, "replicas": 2, "secrets": 30}
        self.assertEqual(drains.keys(), RELEASES.keys())
        for name, release in RELEASES.items():
            with self.subTest(values=name):
                pause = release.container["lifecycle"]["preStop"]["sleep"]["seconds"]
                self.assertEqual(release.pod["terminationGracePeriodSeconds"], pause + drains[name] + 10)

    @of_every_release
    def test_probes_ask_the_admin_port(self, release):
        ports = {each["name"]: each["containerPort"] for each in release.container["ports"]}
        self.assertEqual(ports, {"api": 8080, "admin": 8081})
        paths = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
        for probe, path in paths.items():
            self.assertEqual(release.container[probe]["httpGet"], {"path": path, "port": "admin"})
        self.assertEqual(release.environment["ISTHMUS_ADMIN_LISTEN"]["value"], "0.0.0.0:8081")

    @of_every_release
    def test_no_release_holds_a_secret(self, release):
        self.assertEqual(release.every("Secret"), [])
        self.assertIn("secretKeyRef", release.environment["ISTHMUS_ADMIN_TOKEN"]["valueFrom"])

    @of_every_release
    def test_the_admin_port_is_never_published(self, release):
        admin = release.the("Service", "isthmus-admin")["spec"]
        self.assertEqual(admin["type"], "ClusterIP")
        self.assertEqual([each["targetPort"] for each in admin["ports"]], ["admin"])
        api = release.the("Service")["spec"]
        self.assertEqual([each["targetPort"] for each in api["ports"]], ["api"])
        for ingress in release.every("Ingress"):
            self.assertNotIn("admin", json.dumps(ingress["spec"]))

    @of_every_release
    def test_selectors_find_the_pod(self, release):
        labels = release.the("Deployment")["spec"]["template"]["metadata"]["labels"].items()
        selectors = [each["spec"]["selector"] for each in release.every("Service")]
        selectors += [each["spec"]["podSelector"]["matchLabels"] for each in release.every("NetworkPolicy")]
        selectors += [each["spec"]["selector"]["matchLabels"] for each in release.every("PodDisruptionBudget")]
        selectors.append(release.the("Deployment")["spec"]["selector"]["matchLabels"])
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels)

    @of_every_release
    def test_every_mount_has_its_volume(self, release):
        volumes = {each["name"] for each in release.pod["volumes"]}
        mounted = set()
        for container in release.pod["containers"] + release.pod.get("initContainers", []):
            mounted |= {each["name"] for each in container["volumeMounts"]}
        self.assertEqual(mounted, volumes)

    @of_every_release
    def test_the_gateway_accepts_its_configuration(self, release):
        environment = {"OPENAI_API_KEY": "sk-test", "TEAM_PROXY_KEY": "sk-test", "ISTHMUS_ADMIN_TOKEN": "test"}
        accepted, said = accepts(release.config, environment)
        self.assertTrue(accepted, said)
        self.assertFalse(accepts({**release.config, "unheard_of": True}, environment)[0])


class Values(unittest.TestCase):
    """What single values change."""

    def test_bad_values_are_refused(self):
        for case in yaml.safe_load((CHART.parent / "refusals.yaml").read_text()):
            with self.subTest(**case):
                with self.assertRaises(helm_sdkpy.InstallError) as refused:
                    install(case["values"])
                self.assertIn(case["says"], str(refused.exception))

    def test_an_older_kubernetes_is_refused(self):
        with self.assertRaisesRegex(helm_sdkpy.InstallError, "chart requires kubeVersion"):
            install({}, kubernetes="v1.29.9")

    def test_every_value_is_described(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        self.assertEqual(undescribed(schema, "values"), [])

    def test_access_decides_who_reaches_the_api(self):
        listeners = {"setup": "127.0.0.1:8080", "keys": "0.0.0.0:8080", "anonymous": "0.0.0.0:8080"}
        for access, listener in listeners.items():
            with self.subTest(access=access):
                release = install({"access": access})
                self.assertEqual(release.environment["ISTHMUS_LISTEN"]["value"], listener)
                allowed = release.config["server"].get("allow_anonymous", False)
                self.assertEqual(allowed, access == "anonymous")
        closed = RELEASES["default"].environment["ISTHMUS_LISTEN"]["value"]
        self.assertEqual(closed, listeners["setup"], "as it comes, nobody outside the pod may call")

    def test_a_changed_configuration_makes_a_changed_pod(self):
        def checksum(release):
            template = release.the("Deployment")["spec"]["template"]
            return template["metadata"]["annotations"]["checksum/config"]

        written = RELEASES["default"].the("ConfigMap")["data"]["isthmus.yaml"].removesuffix("\n")
        self.assertEqual(checksum(RELEASES["default"]), hashlib.sha256(written.encode()).hexdigest())
        self.assertNotEqual(checksum(RELEASES["default"]), checksum(RELEASES["gpu"]))

    def test_one_writer_keeps_the_books(self):
        self.assertEqual(RELEASES["default"].the("Deployment")["spec"]["strategy"], {"type": "Recreate"})
        claim = RELEASES["default"].the("PersistentVolumeClaim", "isthmus-ledger")
        self.assertEqual(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep")
        self.assertEqual(RELEASES["secrets"].every("PersistentVolumeClaim"), [])
        self.assertIn({"name": "ledger", "persistentVolumeClaim": {"claimName": "books"}}, RELEASES["secrets"].pod["volumes"])

    def test_secrets_come_by_reference(self):
        release = RELEASES["secrets"]
        references = [each["secretRef"]["name"] for each in release.container["envFrom"]]
        self.assertEqual(references, ["openai", "decentralised"])
        token = release.environment["ISTHMUS_ADMIN_TOKEN"]["valueFrom"]["secretKeyRef"]
        self.assertEqual(token, {"name": "platform-tokens", "key": "isthmus-admin"})
        self.assertEqual(release.config["providers"]["openai"]["api_key"], "${OPENAI_API_KEY}")

    def test_a_gpu_is_asked_for_and_used(self):
        release = RELEASES["gpu"]
        self.assertEqual(release.container["resources"]["limits"]["nvidia.com/gpu"], 2)
        self.assertEqual(release.pod["runtimeClassName"], "nvidia")
        layers = {name: each["gpu_layers"] for name, each in release.config["providers"].items()}
        self.assertEqual(layers, {"local": 999, "processor": 0})

    def test_prometheus_is_led_to_the_admin_service(self):
        spec = RELEASES["ingress"].the("ServiceMonitor")["spec"]
        services = RELEASES["ingress"].every("Service")
        wanted = spec["selector"]["matchLabels"].items()
        [found] = [each for each in services if wanted <= each["metadata"]["labels"].items()]
        self.assertEqual(found["metadata"]["name"], "isthmus-admin")
        [endpoint] = spec["endpoints"]
        self.assertIn(endpoint["port"], [each["name"] for each in found["spec"]["ports"]])
        self.assertEqual(endpoint["path"], "/metrics")

    def test_large_numbers_stay_whole(self):
        values = {"config": {"endpoints": {"smollm-local": {"limits": {"tpm": 20000000}}}}}
        written = install(values).the("ConfigMap")["data"]["isthmus.yaml"]
        self.assertIn("tpm: 20000000\n", written)

    def test_the_notes_teach_what_is_next(self):
        self.assertIn("create secret generic isthmus-admin", RELEASES["default"].notes)
        self.assertIn("keys create", RELEASES["default"].notes)
        self.assertIn("https://ai.example.org/", RELEASES["ingress"].notes)
        self.assertIn("access: anonymous", RELEASES["replicas"].notes)
        for release in RELEASES.values():
            self.assertIn(f"has {release.pod['terminationGracePeriodSeconds']} s", release.notes)


def undescribed(schema, path):
    """The paths of all properties that say nothing about themselves."""
    missing = [] if path == "values" or "description" in schema or "$ref" in schema else [path]
    for name, below in schema.get("properties", {}).items():
        missing += undescribed(below, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        for name, below in schema["items"].get("properties", {}).items():
            missing += undescribed(below, f"{path}[].{name}")
    return missing


if __name__ == "__main__":
    unittest.main()
