"""The kit's simulator as a process of ours, and what it wrote down."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import kit
from gateway import free_port

# Told apart from the rest by the kit itself: logged, never refused.
SOFT = {"model", "alt_sse"}


class Simulator:
    """Replays the recordings on a free port. Use it as a context manager."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.origin = f"http://127.0.0.1:{free_port()}"
        self.violations_file = folder / "violations.jsonl"
        self._read = 0

    def __enter__(self) -> "Simulator":
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("*.jsonl"):
            old.unlink()
        self.log = (self.folder / "simulator.log").open("w")
        port = self.origin.rsplit(":", 1)[1]
        program = [
            sys.executable,
            kit.HOME / "vendor_sim.py",
            "--port",
            port,
            "--log-dir",
            self.folder,
        ]
        self.process = subprocess.Popen(program, cwd=kit.HOME, stdout=self.log, stderr=self.log)
        try:
            self._wait_until_ready(30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()

    def get(self, path: str):
        with urllib.request.urlopen(self.origin + path, timeout=20) as answer:
            return json.load(answer)

    def new_violations(self) -> list[dict]:
        """What the simulator held against the requests since the last call, one by one."""
        if not self.violations_file.exists():
            return []
        lines = self.violations_file.read_text().splitlines()
        fresh, self._read = lines[self._read :], len(lines)
        entries = [json.loads(line) for line in fresh]
        return [
            violation | {"rec": entry["rec"], "vendor": entry["vendor"], "url": entry["path"]}
            for entry in entries
            for violation in entry["violations"]
        ]

    def _wait_until_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.get("/_sim/health")
                return
            except (urllib.error.URLError, ConnectionError):
                said = (self.folder / "simulator.log").read_text()
                assert self.process.poll() is None, f"the simulator ended\n{said}"
                assert time.monotonic() < deadline, f"the simulator did not start\n{said}"
                time.sleep(0.05)
