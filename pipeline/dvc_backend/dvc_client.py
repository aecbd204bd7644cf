"""The only caller of the dvc program. DVC owns every cache and decides what is up to date."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from pipeline import terminal
from pipeline.dvc_backend import messages, repair, subprocesses
from pipeline.dvc_backend.subprocesses import Program
from stages import layout
from stages.events import Event

# The native log of MediaPipe, which no setting silences; its errors stay.
_NATIVE = re.compile(r"[IW]\d{4} \d\d:\d\d:|WARNING: All log messages before absl|INFO: Created TensorFlow")
DIGESTS = "digests"  # the stage that checks them
SPLIT_LOCK = "pipeline.dvc_backend.split_lock"  # the dvc program for our own folder
_TAIL = 8       # lines of a failed stage that go into the error
MAX_ATTEMPTS = 50   # at most, of what was in the way of others
TIMEOUT_MINUTES = 30.0  # minutes without a sign of life after which a stage is ended, where nothing else is said


class StageFailed(RuntimeError):
    """A stage ended with an error. `refused`: trying again is no use: its input cannot be used (the message is then the
    stage's own), the disk is full, a remote does not let us in."""

    def __init__(self, message: str, permanent: bool = False):
        super().__init__(message)
        self.permanent = permanent


EventHandler = Callable[[Event], None]


def ignore_event(_: Event) -> None:
    """Hears nothing."""


class NotComputed(StageFailed):
    """The outputs of a stage are in no cache, and computing them was not asked for."""


def reproduce(address: str, on_event: EventHandler = ignore_event, idle_timeout: float | None = None) -> bool:
    """Brings the outputs of `stage@key` up to date, its progress going to the terminal as it comes.
    True: the stage was computed; False: nothing had changed, or its outputs came from the cache.

    `hears` is told every event that the stage reports and, as such, every line that it prints. `silence`: seconds without
    either after which a stage is ended."""
    kinds = []

    def hear(event: Event) -> None:
        kinds.append(event["kind"])
        on_event(event)

    _run(["--wait-for-lock", "repro", "--single-item", address], address, on_event=hear, idle_timeout=idle_timeout)
    return "begun" in kinds


def restore(address: str, pull: bool = False) -> None:
    """Brings the outputs of `stage@key` up to date without computing them: from the cache or, with `pull`, from the
    remote. Raises NotComputed where neither has them."""
    _run(["--wait-for-lock", "repro", *["--pull"] * pull, "--single-item", address], address,
         environment={layout.ELSEWHERE: "1"})


def push(targets: list[str], address: str, run_cache: bool = False) -> None:
    """Sends artifacts to the remote, for the sake of `stage@key`, with all that the run-cache knows where asked for."""
    output = _run(["--wait-for-lock", "push", *["--run-cache"] * run_cache, *targets], address)
    if failed := messages.transfer_error(output):
        raise StageFailed(f"{address}: {failed}")


def pull(file: Path, address: str) -> None:
    """Brings what a .dvc file names from the remote."""
    _run(["--wait-for-lock", "pull", "--force", str(file)], address)


def outputs(address: str) -> list[dict]:
    """Path and checksum of the outputs of `stage@key`, as a .dvc file has them."""
    return json.loads(layout.state(address).read_text(encoding="utf-8"))["outs"]


def pending(plan: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is left to do of a plan: what is not up to date, and what waits for that. StageFailed where the digests of
    the code are out of date."""
    changed, left = set(_split_lock("pending", DIGESTS, *plan)), {}
    if DIGESTS in changed:
        reproduce(DIGESTS)
    for address, needs in plan.items():
        waits = [needed for needed in needs if needed in left]
        if address in changed or waits:
            left[address] = waits
    return left


def check_digests() -> None:
    """Lets DVC note that the digests of the code were checked."""
    reproduce(DIGESTS)
    update_dvc_lock()


def update_dvc_lock() -> None:
    """Writes what was reproduced into dvc.lock, for git and the user's own `dvc`."""
    _split_lock("merge")


def remove_states(keys: list[str]) -> None:
    """Removes what is noted of every stage of these keys, here and in dvc.lock."""
    _split_lock("remove", *keys)


def _split_lock(*arguments: str) -> list[str]:
    """What a command of pipeline/dvc_backend/split_lock.py answers; it is asked again where its notes were mended."""
    _verify_cache_once(Path().resolve())
    for _ in range(MAX_ATTEMPTS):
        done = subprocess.run([sys.executable, "-m", SPLIT_LOCK, *arguments], capture_output=True, encoding="utf-8")
        if not done.returncode:
            return json.loads(done.stdout)
        if not repair.recover(Path(), done.stderr):
            break
    raise StageFailed(f"dvc failed:\n{messages.mask_passwords(done.stderr)}")


def config_value(name: str) -> str:
    """A value of DVC's configuration; empty where it has none."""
    done = subprocess.run([sys.executable, "-m", "dvc", "config", name], capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def run_experiment(name: str, changes: dict[str, str], goals: list[str], folder: Path, lock: Path,
               on_stage_start: Callable[[str], None]) -> None:
    """Brings `goals` and what they need up to date in `folder`, a project of its own, with `changes` to its
    params.yaml (place: value), and keeps that as the experiment `name`. `begins` is told the address of each stage
    that has to be computed. Whoever runs it holds `lock` (see `end_orphan`)."""
    sets = [word for place, value in changes.items() for word in ("--set-param", f"{place}={value}")]
    _run(["exp", "run", "--name", name, *sets, *goals], goals[-1], folder, lock,
         lambda event: on_stage_start(event["address"]) if event["kind"] == "begun" else None)


def terminate_orphan(lock: Path) -> None:
    """Ends the experiment that goes on because what started it was killed: it still holds `lock`."""
    with lock.open("a+", encoding="utf-8") as file:
        if held(file):
            file.seek(0)
            if number := file.read():
                os.killpg(int(number), signal.SIGTERM)
            fcntl.flock(file, fcntl.LOCK_EX)  # waits for its end


def held(file) -> bool:
    """Whether another process holds this lock; where none does, we do from now on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _run(arguments: list[str], address: str, folder: Path = Path(), lock: Path | None = None, on_event: EventHandler = ignore_event,
         idle_timeout: float | None = None, environment: dict[str, str] | None = None) -> str:
    """What the dvc program prints; it is asked again where others were in its way or its notes were mended. What it may
    have put into its cache is to be checked before it is used."""
    _verify_cache_once(folder.resolve())
    for _ in range(MAX_ATTEMPTS):
        program, output, events = _run_once(arguments, folder, lock, on_event, idle_timeout, environment or {})
        if not messages.cache_unchanged(output):
            repair.force_verification(folder)
        if program.timed_out:
            raise StageFailed(f"{events[-1]['address']} was ended: no sign of life for {idle_timeout / 60:g} minutes. "
                              "--retries 1 tries again; --timeout MINUTES gives it longer")
        if not program.wait():
            return output
        try:
            if not repair.recover(folder, output):
                break
        except OSError as error:
            output += str(error)
            break
    raise _failure(address, output, events)


@cache
def _verify_cache_once(folder: Path) -> None:
    """Once for what has come into the cache by other ways."""
    repair.force_verification(folder)


def _run_once(arguments: list[str], folder: Path, lock: Path | None, on_event: EventHandler, idle_timeout: float | None,
            environment: dict[str, str]) -> tuple[Program, str, list[Event]]:
    """The dvc program when it has ended, what it has printed, and what its stages have reported but for progress; lines of
    a stage go to the terminal as they come. A process of its own, because DVC's locks do not hold between the threads of
    one. It holds `lock`, in which its number stands, as long as it lives."""
    command, lines, events = [sys.executable, "-m", SPLIT_LOCK if folder == Path() else "dvc", *arguments], [], []
    with lock.open("w", encoding="utf-8") if lock else nullcontext() as mark:
        if mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
        program = Program(command, folder, _environment() | environment, (mark.fileno(),) if mark else ())
        if mark:
            mark.write(str(program.pid))
    with program:
        for said in program.output():
            if isinstance(said, str):
                line = messages.mask_passwords(said)
                lines.append(line)
                if messages.is_dvc_message(line) or _NATIVE.match(line):
                    continue
                terminal.print_line(line)
                said = {"kind": "line", "text": line.strip()}
            elif said["kind"] == "progress":
                terminal.draw_bar(said)
            else:
                events.append(said)
                program.idle_timeout = idle_timeout if said["kind"] == "begun" else None
            on_event(said)
        program.wait()
    return program, "".join(lines), events


def stop_all() -> None:
    """Ends every stage that runs; from now on none starts."""
    subprocesses.terminate_all()


def _environment() -> dict[str, str]:
    """`python` in dvc.yaml is the interpreter that runs this; progress bars are as wide as the terminal."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    columns = str(shutil.get_terminal_size().columns)
    quick = {"AWS_MAX_ATTEMPTS": "2"}  # trying again is ours, and for every file of the run-cache it would take long
    return {"COLUMNS": columns, "PYTHONUNBUFFERED": "1", **quick, **os.environ, "PATH": path}


def _failure(address: str, output: str, events: list[Event]) -> StageFailed:
    """What to tell of a dvc program that has failed: what the stage says, if it refused; else why DVC says it failed."""
    for event in events:
        if event["kind"] == "elsewhere":
            return NotComputed(f"{event['address']}: in no cache")
        if event["kind"] == "refused":
            return StageFailed(f"{event['address']}: {event['message']}", permanent=True)
        address = event["address"]
    if subprocesses.shutting_down():
        return StageFailed(f"{address} was ended; the same command goes on from here")
    refused = True
    if messages.disk_full(output):
        why, rest = "the disk is full, or cannot be written to. Make room; the same command then goes on from here", output
    elif failed := messages.failed_stage(output):
        refused, (address, why, rest) = False, failed
    elif messages.remote_denied(output):
        why, rest = ("the remote does not let this machine in, or is not there. See `dvc remote list`, and its keys in "
                     ".dvc/config.local or the environment"), output
    else:
        refused, why, rest = False, "dvc has ended with an error", output
    lines = [line for line in rest.splitlines() if not messages.is_dvc_message(line)][-_TAIL:]
    return StageFailed("\n  ".join([f"{address} failed: {why}", *lines]), refused)
