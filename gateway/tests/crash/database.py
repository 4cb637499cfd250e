"""A PostgreSQL of the test's own, which is killed and comes back."""

import glob
import os
import signal
import subprocess
import time
from pathlib import Path

NOBODY = 65534


class Database:
    def __init__(self, folder: Path):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise SystemExit("PostgreSQL is missing: scripts/tools.sh postgres")
        self.programs, self.folder = Path(found[-1]), folder
        # PostgreSQL refuses to run as root.
        self.who = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        folder.mkdir()
        if self.who:
            os.chown(folder, NOBODY, NOBODY)
            os.chmod(folder.parent, 0o755)
        self.run("initdb", "--username=isthmus", "--auth=trust", "-D", str(folder / "data"))
        self.start()

    @property
    def url(self) -> str:
        return f"postgres://isthmus@localhost/postgres?host={self.folder}"

    def run(self, program: str, *arguments: str) -> int:
        return subprocess.run(
            [self.programs / program, *arguments], cwd="/", capture_output=True, **self.who
        ).returncode

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
             "-c", "listen_addresses="],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who,
        )
        deadline = time.monotonic() + 60
        while self.run("pg_isready", "-h", str(self.folder)) != 0:
            assert time.monotonic() < deadline, "PostgreSQL does not start"

    def kill(self) -> None:
        """Ends all of it at once, as a crash does: its children end too, and nothing is written."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
