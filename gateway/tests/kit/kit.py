"""The replay kit: where it is, and a copy of it that may be written into.

The kit stands beside a development checkout, read-only. Its scripts keep a cache and logs beside
themselves, so they are copied into `target/kit/` and run there; the recordings are linked.
"""

import filecmp
import json
import os
import shutil
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The repository."""
SOURCE = Path(os.environ.get("ISTHMUS_KIT", ROOT.parent / "shared/kit"))
"""The kit as it was handed over."""
HOME = ROOT / "target/kit"
"""The copy, with everything that a run leaves behind."""
SKIPPED = f"skipped: no replay kit at {SOURCE} (ISTHMUS_KIT says where it is)"

# The gateway's own test helper: one way to start the program.
sys.path.insert(0, str(ROOT / "gateway/tests/sdk"))


def present() -> bool:
    return (SOURCE / "recordings").is_dir()


def stage() -> None:
    """Brings the copy up to date and makes its modules importable."""
    HOME.mkdir(parents=True, exist_ok=True)
    for file in [*SOURCE.glob("*.py"), *SOURCE.glob("*.json")]:
        copy = HOME / file.name
        if not copy.exists() or not filecmp.cmp(file, copy, shallow=False):
            copy.unlink(missing_ok=True)
            shutil.copyfile(file, copy)
    link = HOME / "recordings"
    if not link.exists() or link.resolve() != (SOURCE / "recordings").resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(SOURCE / "recordings", target_is_directory=True)
    if str(HOME) not in sys.path:
        sys.path.insert(0, str(HOME))


@cache
def recordings() -> dict[str, dict]:
    """Every recording, by id."""
    files = sorted(SOURCE.glob("recordings/*/*.json"))
    return {recording["id"]: recording for recording in map(_read, files)}


@cache
def targets() -> dict[str, dict]:
    """How a gateway reaches each recording's upstream, by id; those without a counterpart in
    OpenAI's API are left out."""
    everything = _read(SOURCE / "targets.json")["targets"]
    return {
        target["id"]: target for target in everything if target["request_check"] != "not_driven"
    }


def _read(file: Path):
    return json.loads(file.read_text())
