"""A cluster's API server, as much of it as a Helm install speaks to, that keeps what it is given.

The Helm library has no dry run, so the tests install for real, into this. It answers discovery for
the kinds that the chart makes, says 404 of every object it was not given, stores what is posted,
and refuses any other kind as a real server does.
"""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Kinds by group and version, with their plural names: what a cluster with the Prometheus operator serves.
KINDS = {
    "v1": {
        "ConfigMap": "configmaps",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {"Deployment": "deployments"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "monitoring.coreos.com/v1": {"ServiceMonitor": "servicemonitors"},
    "networking.k8s.io/v1": {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}

OBJECT_PATH = re.compile(
    r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))/namespaces/[^/]+/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?$"
)


class Cluster:
    """Runs the API server on a free loopback port; a context manager."""

    def __init__(self, version="v1.30.0"):
        self.version = version
        self.objects = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kubeconfig(self, folder):
        """Writes a kubeconfig file that leads here; its path."""
        path = os.path.join(folder, "kubeconfig.json")
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        with open(path, "w") as file:
            json.dump({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": address}}],
                "users": [{"name": "test", "user": {}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "current-context": "test",
            }, file)
        return path

    def answer(self, method, path, body):
        """The status and the object for one request."""
        if method == "GET" and (found := self._discovery(path)) is not None:
            return 200, found
        match = OBJECT_PATH.match(path)
        api = match and (match["core"] or match["group"])
        if not match or match["plural"] not in KINDS.get(api, {}).values():
            return _refusal(404, "NotFound", f"the server could not find the requested resource {path}")
        if method == "GET" and not match["name"]:
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}
        if method in ("POST", "PUT"):
            key = (api, match["plural"], body["metadata"]["name"])
            if method == "POST" and key in self.objects:
                return _refusal(409, "AlreadyExists", f"{path} already has `{key[2]}`")
            self.objects[key] = body
            return 201, body
        key = (api, match["plural"], match["name"])
        if method == "GET" and key in self.objects:
            return 200, self.objects[key]
        return _refusal(404, "NotFound", f"{path} not found")

    def _discovery(self, path):
        if path == "/version":
            major, minor, _ = self.version.lstrip("v").split(".")
            return {"major": major, "minor": minor, "gitVersion": self.version}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [_group(api) for api in KINDS if "/" in api]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        api = path.removeprefix("/apis/").removeprefix("/api/")
        if api not in KINDS:
            return None
        resources = [
            {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["create", "get"]}
            for kind, plural in KINDS[api].items()
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": resources}


def _group(api):
    version = {"groupVersion": api, "version": api.split("/")[1]}
    return {"name": api.split("/")[0], "versions": [version], "preferredVersion": version}


def _refusal(code, reason, message):
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return code, {**status, "reason": reason, "message": message, "code": code}


def _handler(cluster):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if body and self.headers["content-type"] != "application/json":
                # Helm's own record of the release, in protobuf: said to be kept, and given back.
                return self.send(201, self.headers["content-type"], body)
            code, answer = cluster.answer(self.command, self.path.split("?")[0], json.loads(body) if body else None)
            self.send(code, "application/json", json.dumps(answer).encode())

        def send(self, code, kind, body):
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

        def log_message(self, *_):
            pass

    return Handler
