#!/usr/bin/env python3
"""Obtains LiteLLM's list of prices from its package, of the version that the catalogue was read in.

Usage: scripts/litellm_prices.py target/litellm/prices.json
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.110.2"
LIST = "litellm/model_prices_and_context_window_backup.json"


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", folder, f"litellm=={VERSION}"]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as package:
            text = package.read(LIST)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text)


if __name__ == "__main__":
    main()
