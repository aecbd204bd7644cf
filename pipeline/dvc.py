"""The only caller of the dvc program. DVC owns every cache and decides what is up to date."""

import codecs
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# What DVC says about its own bookkeeping; the rest of its output is the stage's.
_CHATTER = re.compile(
    r"Running stage|> python |(Updating|Generating) lock file|To track the changes|\tgit add|To enable auto staging"
    r"|\tdvc config|Use `dvc push`|Stage '.*skipping|Data and pipelines are up to date|ERROR: failed to reproduce|\s*$"
)
# The native log of MediaPipe, which no setting silences; its errors stay.
_NATIVE = re.compile(r"(?:[IW]\d{4} \d\d:\d\d:|WARNING: All log messages before absl|INFO: Created TensorFlow).*\n")
_TAIL = 8  # lines of a failed stage that go into the error

_running: set[subprocess.Popen] = set()


class StageFailed(RuntimeError):
    """A stage ended with an error. `refused`: the stage says that its input cannot be used, so that trying
    again is no use; the message is then the stage's own."""

    def __init__(self, message: str, refused: bool = False):
        super().__init__(message)
        self.refused = refused


def reproduce(address: str) -> bool:
    """Brings the outputs of `stage@key` up to date, its progress going to the terminal as it comes.
    True: the stage was computed; False: nothing had changed, or its outputs came from the cache.

    A process of its own, because DVC's locks do not hold between the threads of one."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", address]
    process = subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    _running.add(process)
    try:
        lines = _relay(process.stdout.fileno())
        process.wait()
    finally:
        _running.discard(process)
        process.stdout.close()
    if process.returncode:
        raise _failure(address, "".join(lines))
    return any(line.startswith("Running stage") for line in lines)


def stop() -> None:
    """Ends every stage that runs. Not by SIGINT, which a process started in the background ignores."""
    for process in list(_running):
        os.killpg(process.pid, signal.SIGTERM)


def _environment() -> dict[str, str]:
    """`python` in dvc.yaml is the interpreter that runs this; progress bars are as wide as the terminal."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    columns = str(shutil.get_terminal_size().columns)
    return {"COLUMNS": columns, "PYTHONUNBUFFERED": "1", **os.environ, "PATH": path}


def _relay(stream: int) -> list[str]:
    """Copies what a process prints to stdout, without DVC's chatter and native logs.
    Gives the lines, progress bars left out.

    A piece ends at a line's end or before a carriage return, so that a progress bar moves when it does."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    lines, rest, fresh = [], "", True  # fresh: the terminal is at the start of a line
    while chunk := os.read(stream, 1 << 16):
        *pieces, rest = re.split(r"(?<=\n)|(?=\r)", _NATIVE.sub("", rest + decode(chunk)))
        if rest.startswith("\r"):
            pieces, rest = [*pieces, rest], ""
        for piece in pieces:
            bar = piece.startswith("\r")
            if not bar:
                lines.append(piece)
            if bar or not (fresh and _CHATTER.match(piece)):
                sys.stdout.write(piece)
                fresh = piece.endswith("\n")
        sys.stdout.flush()
    return [*lines, rest]


def _failure(address: str, output: str) -> StageFailed:
    """Refused input is the stage's last word, begins with its address and has no traceback."""
    output, _, reason = output.partition(f"ERROR: failed to reproduce '{address}': ")
    _, named, refusal = output.rpartition(f"\n{address}: ")
    if named and reason.strip().endswith("exited with 1") and "\nTraceback" not in output:
        return StageFailed(f"{address}: {refusal.strip()}", refused=True)
    lines = [line for line in output.splitlines() if not _CHATTER.match(line)][-_TAIL:]
    why = reason.strip().removeprefix("failed to run: ") or "interrupted"
    return StageFailed("\n  ".join([f"{address} failed: {why}", *lines]))
