"""The container recipe, as far as it can be checked where nothing runs containers.

Its stages, sources and versions are read out of it and held against the repository and the chart;
a static binary named in ISTHMUS_STATIC is started in an empty root folder, as the image would.
"""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import yaml

from program import accepts
from release import install

ROOT = Path(__file__).resolve().parent.parent
RECIPE = (ROOT / "Containerfile").read_text()


def instructions():
    """The recipe as (word, arguments) pairs: comments dropped, continued lines joined."""
    lines = [line for line in RECIPE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages():
    """Each stage's base and instructions, by name, in order."""
    found = {}
    for word, arguments in instructions():
        if word == "FROM":
            base, _, name = arguments.split()
            found[name] = (base, [])
        else:
            list(found.values())[-1][1].append((word, arguments))
    return found


def copies():
    """Each COPY as (stage, where from, sources)."""
    for stage, (_, steps) in stages().items():
        for word, arguments in steps:
            if word == "COPY":
                words = shlex.split(arguments)
                flags = dict(each.removeprefix("--").split("=") for each in words if each.startswith("--"))
                yield stage, flags.get("from"), [each for each in words if not each.startswith("--")][:-1]


def reaches_the_build(path):
    """Whether .containerignore lets a path through: its last matching line decides."""
    kept = True
    for line in (ROOT / ".containerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        covers = any(fnmatch.fnmatch(str(each), pattern) for each in (Path(path), *Path(path).parents[:-1]))
        if line and not line.startswith("#") and covers:
            kept = line.startswith("!")
    return kept


class Recipe(unittest.TestCase):
    def test_bases_are_pinned_or_earlier_stages(self):
        seen = set()
        for name, (base, _) in stages().items():
            pinned = re.fullmatch(r"[a-z.]+/[a-z/]+:[0-9][\w.-]+", base)
            self.assertTrue(base == "scratch" or base in seen or pinned, f"`{base}` is not pinned by a version")
            seen.add(name)

    def test_rust_is_the_one_the_workspace_asks_for(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        self.assertEqual(stages()["build"][0], f"docker.io/library/rust:{version}-bookworm")

    def test_every_copied_file_exists_and_reaches_the_build(self):
        names = list(stages())
        for stage, origin, sources in copies():
            for source in sources:
                with self.subTest(stage=stage, source=source):
                    if origin:
                        self.assertLess(names.index(origin), names.index(stage))
                    else:
                        self.assertTrue((ROOT / source).exists())
                        self.assertTrue(reaches_the_build(source))

    def test_every_room_is_copied_and_nothing_private(self):
        rooms = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
        copied = {source for stage, _, sources in copies() if stage == "build" for source in sources}
        self.assertEqual(copied, {*rooms, "Cargo.toml", "Cargo.lock"})
        for private in (".git", "target/release/isthmus", "models/a.gguf", "isthmus.db", ".venv", ".env"):
            self.assertFalse(reaches_the_build(private), private)

    def test_the_image_and_the_chart_agree(self):
        settings = dict(stages()["gateway"][1])
        release = install({})
        pod, container = release.pod, release.container
        user = pod["securityContext"]
        self.assertEqual(settings["USER"], f"{user['runAsUser']}:{user['runAsGroup']}")
        self.assertEqual(settings["EXPOSE"], " ".join(str(each["containerPort"]) for each in container["ports"]))
        self.assertEqual((settings["ENTRYPOINT"], settings["CMD"]), ('["/isthmus"]', '["serve"]'))
        self.assertEqual(container["args"], ["serve"])
        self.assertIn(settings["VOLUME"], [each["mountPath"] for each in container["volumeMounts"]])
        baked = yaml.safe_load((ROOT / "charts/image/with-model.yaml").read_text())
        path = baked["providers"]["local"]["model_path"]
        self.assertIn(path, RECIPE)
        self.assertEqual(release.config["providers"]["local"]["model_path"], path)
        self.assertEqual(release.config["ledger"], baked["ledger"])

    def test_no_room_includes_a_file_from_outside_the_build(self):
        rooms = [ROOT / source for stage, _, sources in copies() if stage == "build" for source in sources]
        for source in (each for room in rooms for each in room.glob("src/**/*.rs")):
            for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"', source.read_text()):
                included = (source.parent / name).resolve()
                with self.subTest(source=source, included=included):
                    self.assertTrue(any(included.is_relative_to(room) for room in rooms))

    def test_the_gateway_accepts_the_images_configurations(self):
        for path in sorted((ROOT / "charts/image").glob("*.yaml")):
            with self.subTest(file=path.name):
                accepted, said = accepts(yaml.safe_load(path.read_text()), {"OPENAI_API_KEY": "sk-test"})
                self.assertTrue(accepted, said)


class StaticBinary(unittest.TestCase):
    """Needs ISTHMUS_STATIC, a binary linked as the recipe does it, and the right to change the root.

    The recipe's cargo command makes one at target/release/isthmus, without compiling the engine anew.
    """

    def setUp(self):
        self.binary = os.environ.get("ISTHMUS_STATIC")
        if not self.binary or os.geteuid() != 0:
            self.skipTest("name a static binary in ISTHMUS_STATIC, and be root")

    def test_it_needs_no_loader(self):
        report = subprocess.run(["readelf", "--program-headers", self.binary], capture_output=True, text=True, check=True)
        self.assertIn("LOAD", report.stdout)
        self.assertNotIn("INTERP", report.stdout)

    def test_it_runs_in_an_empty_root(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root).chmod(0o755)
            shutil.copy(self.binary, f"{root}/isthmus")
            shutil.copy(ROOT / "charts/image/with-model.yaml", f"{root}/isthmus.yaml")
            for command, answer in (("--help", "Usage: isthmus"), ("check", "")):
                run = subprocess.run(
                    ["/usr/sbin/chroot", "--userspec=65532:65532", root, "/isthmus", command],
                    capture_output=True, text=True, env={},
                )
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertIn(answer, run.stdout)


if __name__ == "__main__":
    unittest.main()
