"""One release of the chart: installed by the real Helm engine into a cluster that only remembers."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import helm_sdkpy
import yaml

from cluster import Cluster

CHART = Path(__file__).resolve().parent / "isthmus"
VALUE_SETS = {path.name.removesuffix("-values.yaml"): path for path in sorted(CHART.glob("ci/*-values.yaml"))}


class Release:
    """The objects that one set of values makes, and the notes that the operator reads."""

    def __init__(self, objects, notes):
        self.objects = objects
        self.notes = notes

    def every(self, kind):
        """All objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def the(self, kind, name="isthmus"):
        """The one object of that kind and name."""
        [found] = [each for each in self.every(kind) if each["metadata"]["name"] == name]
        return found

    @property
    def pod(self):
        """The pod's specification."""
        return self.the("Deployment")["spec"]["template"]["spec"]

    @property
    def container(self):
        """The gateway's own container."""
        [found] = self.pod["containers"]
        return found

    @property
    def environment(self):
        """Its environment variables by name."""
        return {each["name"]: each for each in self.container["env"]}

    @property
    def config(self):
        """The gateway's configuration, parsed."""
        return yaml.safe_load(self.the("ConfigMap")["data"]["isthmus.yaml"])


def values_of(name):
    """One of the value sets in the chart's ci folder."""
    return yaml.safe_load(VALUE_SETS[name].read_text()) or {}


def install(values, kubernetes="v1.30.0"):
    """Installs the chart with these values; raises `helm_sdkpy.InstallError` where Helm refuses."""
    with Cluster(kubernetes) as cluster, tempfile.TemporaryDirectory() as folder:
        configuration = helm_sdkpy.Configuration("ai", cluster.kubeconfig(folder))
        action = helm_sdkpy.Install(configuration)
        report = asyncio.run(action.run("isthmus", str(CHART), values=values, wait=False))
        return Release(list(cluster.objects.values()), report["info"]["notes"])


def lint(values):
    """What `helm lint` says of the chart with these values as its defaults: (severity, path) pairs."""
    with Cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder) / "isthmus"))
        defaults = yaml.safe_load((chart / "values.yaml").read_text())
        (chart / "values.yaml").write_text(yaml.safe_dump(merged(defaults, values)))
        configuration = helm_sdkpy.Configuration("ai", cluster.kubeconfig(folder))
        report = asyncio.run(helm_sdkpy.Lint(configuration).run(str(chart)))
        return [(message["Severity"], message["Path"]) for message in report["Messages"] or []]


def merged(below, above):
    """Helm's merge: maps by key, everything else replaced, `null` removes."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {key: merged(below.get(key), above[key]) if key in above else below[key] for key in {**below, **above}}
    return {key: value for key, value in both.items() if value is not None}
