"""A real Prefect server, started as in the README: who can reach it, and who gets access."""

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

WORDS = "admin:open sesame"
LISTENS = "0A"  # a socket's state in /proc/net/tcp
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """The server's process, its port and the environment of its clients. It requires the password WORDS."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs Linux's /proc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = shutil.copytree(database, tmp_path_factory.mktemp("prefect"), dirs_exist_ok=True)
    settings = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
             "DO_NOT_TRACK": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | settings
    log = tmp_path_factory.mktemp("log") / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment | {"PREFECT_SERVER_API_AUTH_STRING": WORDS}, stdout=file,
                                   stderr=subprocess.STDOUT)
    try:
        answered(f"http://127.0.0.1:{port}/api/health", process, log)
        yield process, port, environment | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    finally:
        process.terminate()
        process.wait(30)
    assert WORDS not in log.read_text()


def answered(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def descendants(number: int) -> list[int]:
    """A process and all its children."""
    status = {path.parent: path.read_text() for path in Path("/proc").glob("[0-9]*/status")}
    parents = {int(path.name): int(re.search(r"PPid:\s*(\d+)", text)[1]) for path, text in status.items()}
    found = [number]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def listening(processes: list[int]) -> set[tuple[str, int]]:
    """Address and port of every TCP socket on which they accept connections."""
    links = {os.readlink(link) for one in processes for link in Path(f"/proc/{one}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]]
    ends = [row[1].split(":") for row in rows if row[3] == LISTENS and f"socket:[{row[9]}]" in links]
    return {(address, int(port, 16)) for address, port in ends}


def ask(port: int, path: str, words: str | None) -> int:
    head = {"Authorization": "Basic " + base64.b64encode(words.encode()).decode()} if words else {}
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}/api{path}", headers=head)) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_it_listens_on_this_machine_only(server):
    process, port, _ = server
    found = listening(descendants(process.pid))
    assert port in {port for _, port in found}
    assert {address for address, _ in found} <= set(LOOPBACK)


@pytest.mark.parametrize("words, code", [(None, 401), ("admin:wrong", 401), (WORDS, 200)])
def test_it_requires_the_password(server, words, code):
    _, port, _ = server
    assert ask(port, "/admin/settings", words) == code


def test_a_worker_without_the_password_is_rejected(server):
    _, _, environment = server

    def prefect(*arguments: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "prefect", *arguments], env=environment | more, timeout=120,
                              capture_output=True, text=True)

    known = {"PREFECT_API_AUTH_STRING": WORDS}
    assert prefect("work-pool", "create", "cpu", "--type", "process", **known).returncode == 0
    work = ("worker", "start", "--pool", "cpu", "--run-once")
    refused, taken = prefect(*work), prefect(*work, **known)
    assert refused.returncode == 1 and "401" in refused.stdout + refused.stderr
    assert taken.returncode == 0 and "started" in taken.stdout
    assert WORDS not in taken.stdout + taken.stderr
