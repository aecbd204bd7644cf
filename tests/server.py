"""A Prefect server for tests, and the command line as a process."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.miniature import once, shared

ROOT = Path(__file__).parents[1]


IDLE = ("LATE_RUNS", "PAUSE_EXPIRATIONS", "REPOSSESSOR", "SCHEDULER")  # unused services that poll the database


@contextmanager
def serving(home: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server on a loopback port, free unless given, with its files in `home`. Yields its URL and process."""
    url, process = start(home, port)
    try:
        yield url, process
    finally:
        kill(process, signal.SIGTERM)


def start(home: Path, port: int = 0) -> tuple[str, subprocess.Popen]:
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/api"
    quiet = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
             "PREFECT_SERVER_UI_API_URL": url} | {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE}
    with (home / "log").open("a") as log:
        process = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or _healthy(url), 90, "the server")
        assert process.poll() is None, (home / "log").read_text()
    except BaseException:
        kill(process)
        raise
    return url, process


def _healthy(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
    except OSError:
        return False


def kill(process: subprocess.Popen, number: int = signal.SIGKILL) -> None:
    """Ends a process with its group and waits for it."""
    try:
        os.killpg(process.pid, number)
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        pass


def wait_for(condition, seconds: float = 180, name: str = "it"):
    """Polls a function until its result is true and returns the result."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{name} did not come within {seconds} s"
        time.sleep(0.05)
    return found


def alive(number: int) -> bool:
    """Whether a process runs; zombies do not count."""
    status = content(Path(f"/proc/{number}/status"))
    return bool(status) and "zombie" not in status


def content(path: Path) -> str:
    """The text of a file; "" if it does not exist."""
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> Path:
    """PREFECT_HOME with an empty database, to be copied: creating the tables takes most of a server's start-up time."""
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    return once(tmp_path_factory, "database", lambda home: subprocess.run(
        command, env=os.environ | {"PREFECT_HOME": str(home)}, check=True, capture_output=True))


@pytest.fixture(scope="session")
def server(database, tmp_path_factory) -> Iterator[str]:
    """The address of a server shared by all test processes: the first that needs it starts it, and the last stops it.
    Each holds a lock on `users` while it uses the server."""
    home = shared(tmp_path_factory) / "server"
    with home.with_suffix(".lock").open("w") as lock, home.with_suffix(".users").open("w") as users:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        if not home.exists():
            shutil.copytree(database, home)
            url, process = start(home)
            (home / "started").write_text(f"{url} {process.pid}")
        url, number = (home / "started").read_text().split()
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield url
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        os.killpg(int(number), signal.SIGTERM)
        wait_for(lambda: not alive(int(number)), 20, "the server's end")
        home.rename(home.with_suffix(".ended"))


class Command:
    """`python -m pipeline ...` in a folder, as a process with a log."""

    def __init__(self, folder: Path, url: str, *arguments: str, **settings: str):
        self.folder, self.log = folder, folder / f"log.{time.monotonic_ns()}"
        own = {"PREFECT_API_URL": url, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(folder / "home"), **settings}
        command = [sys.executable, "-P", "-m", "pipeline", *arguments]  # -P: the repository's pipeline, and the `stages` of the folder
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=log,
                                            start_new_session=True)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def says(self, words: str) -> None:
        wait_for(lambda: words in self.said or self.process.poll() is not None, name=words)
        assert words in self.said, self.said

    def hangs(self) -> int:
        """Waits for a stage of the miniature project that hangs on request, and returns its process id."""
        wait_for(lambda: content(self.folder / "hangs") or self.process.poll() is not None, name="the stage")
        assert self.process.poll() is None, self.said
        return int(content(self.folder / "hangs"))

    def ends(self, code: int) -> str:
        """Waits for the end, checks the exit code and returns the output."""
        wait_for(lambda: self.process.poll() is not None, 120, "the end")
        assert self.process.returncode == code, self.said
        return self.said

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_) -> None:
        kill(self.process)
