"""The real program, started on free ports with a configuration of the test's own."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("ISTHMUS", ROOT / "target/release/isthmus"))
MODEL = ROOT / "models/smollm2-135m-instruct-q4_1.gguf"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Gateway:
    """One running gateway. Use it as a context manager."""

    def __init__(self, folder: Path, configuration: str, environment: dict[str, str] | None = None):
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ISTHMUS_LISTEN": f"127.0.0.1:{self.port}",
            "ISTHMUS_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
        } | (environment or {})
        self.file = folder / "isthmus.yaml"
        self.file.write_text(configuration)
        self.log_file = folder / "log"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs another command of the program on the same configuration."""
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60,
        )

    def create_key(self, *arguments: str) -> str:
        made = self.run("keys", "create", *arguments)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def admin(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = [line for line in self.admin("/metrics").splitlines() if not line.startswith("#")]
        named = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in named)

    def wait_for(self, condition, what: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        return self.log_file.read_text()

    def __enter__(self) -> "Gateway":
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve"], cwd=self.folder, env=self.environment, stdout=log, stderr=log,
            )
        self.wait_for(self._ready, "readiness", 60)
        return self

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"the gateway ended\n{self.log()}"
        try:
            return self.admin("/readyz") == "ready\n"
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
