"""The gateway's own judgement of the configurations that the chart and the image carry."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

# Where `make build` puts it; ISTHMUS names another.
BINARY = Path(__file__).resolve().parent.parent / os.environ.get("ISTHMUS", "target/release/isthmus")


def accepts(config, environment):
    """Whether `isthmus check` accepts a configuration: its exit status, and what it said."""
    if not BINARY.exists():
        raise unittest.SkipTest(f"no gateway at {BINARY}: `make build`, or name one in ISTHMUS")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "isthmus.yaml"
        path.write_text(yaml.safe_dump(config))
        run = subprocess.run([BINARY, "check", "--config", path], env=environment, capture_output=True, text=True)
        return run.returncode == 0, run.stdout + run.stderr
