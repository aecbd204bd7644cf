"""Runs the dvc program; no other module does. DVC manages all caches and decides which stages are up to date."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from pipeline import terminal
from pipeline.dvc_backend import messages, repair, subprocesses
from pipeline.dvc_backend.subprocesses import Program
from stages import layout, safe_yaml
from stages.events import Event

# One state file per stage in place of DVC's single dvc.lock: see split_lock.py. FAKEMOTION_SPLIT_LOCK=0 runs plain `dvc`.
USE_SPLIT_LOCK = os.environ.get("FAKEMOTION_SPLIT_LOCK", "1") != "0"
SPLIT_LOCK = "pipeline.dvc_backend.split_lock"
DIGESTS = "digests"  # the stage that checks the code digests
# MediaPipe's native log, which no setting turns off. Its errors are shown.
_NATIVE_LOG = re.compile(r"[IW]\d{4} \d\d:\d\d:|WARNING: All log messages before absl|INFO: Created TensorFlow")
_TAIL = 8                # lines of a failed stage's output in the error message
MAX_ATTEMPTS = 50        # when other DVC processes hold DVC's locks
TIMEOUT_MINUTES = 30.0   # default: a stage without output or events for so long is terminated


class StageFailed(RuntimeError):
    """A stage ended with an error. `permanent`: a retry would fail in the same way, because the stage rejected its input
    (then the message comes from the stage), the disk is full or the remote denies access."""

    def __init__(self, message: str, permanent: bool = False):
        super().__init__(message)
        self.permanent = permanent


EventHandler = Callable[[Event], None]


def ignore_event(_: Event) -> None:
    """The event handler that does nothing."""


class NotComputed(StageFailed):
    """The outputs of a stage are in no cache, and computing them was not allowed (see `restore`)."""


def reproduce(address: str, on_event: EventHandler = ignore_event, idle_timeout: float | None = None) -> bool:
    """Brings the outputs of `stage@key` up to date. Progress goes to the terminal.

    on_event: called with every event that the stage reports, and with an event for every line that it prints.
    idle_timeout: seconds without either after which the stage is terminated.
    Returns True if the stage was computed, False if nothing had changed or the outputs came from the cache.
    Raises StageFailed."""
    kinds = []

    def record(event: Event) -> None:
        kinds.append(event["kind"])
        on_event(event)

    _run(["--wait-for-lock", "repro", "--single-item", address], address, on_event=record, idle_timeout=idle_timeout)
    return "begun" in kinds


def restore(address: str, pull: bool = False) -> None:
    """Brings the outputs of `stage@key` up to date without computing them: from the cache or, with `pull`, from the
    remote. Raises NotComputed if neither has them."""
    _run(["--wait-for-lock", "repro", *["--pull"] * pull, "--single-item", address], address,
         environment={layout.ELSEWHERE: "1"})


def push(targets: list[str], address: str, run_cache: bool = False) -> None:
    """Uploads artifacts to the remote, and the run cache if asked. `address`: the stage to name in errors."""
    output = _run(["--wait-for-lock", "push", *["--run-cache"] * run_cache, *targets], address)
    if failed := messages.transfer_error(output):
        raise StageFailed(f"{address}: {failed}")


def pull(file: Path, address: str) -> None:
    """Downloads the outputs that a .dvc file lists. `address`: the stage to name in errors."""
    _run(["--wait-for-lock", "pull", "--force", str(file)], address)


def outputs(address: str) -> list[dict]:
    """Paths and checksums of the outputs of `stage@key`, in the form of a .dvc file."""
    if USE_SPLIT_LOCK:
        return json.loads(layout.state(address).read_text(encoding="utf-8"))["outs"]
    return safe_yaml.parse(Path("dvc.lock").read_text(encoding="utf-8"), "dvc.lock")["stages"][address]["outs"]


def pending(plan: dict[str, list[str]]) -> dict[str, list[str]]:
    """The stages of a plan that are not up to date, and those that depend on them. Raises StageFailed if the code
    digests are out of date."""
    changed, left = _changed([DIGESTS, *plan]), {}
    if DIGESTS in changed:
        reproduce(DIGESTS)
    for address, needs in plan.items():
        waits = [needed for needed in needs if needed in left]
        if address in changed or waits:
            left[address] = waits
    return left


def check_digests() -> None:
    """Runs the stage that checks the code digests, so that DVC records them as checked."""
    reproduce(DIGESTS)
    update_dvc_lock()


def _changed(addresses: list[str]) -> set[str]:
    """The stages whose inputs, outputs, parameters or command have changed since they last ran."""
    if USE_SPLIT_LOCK:
        return set(_split_lock("pending", *addresses))
    return set(json.loads(_query("dvc", "--wait-for-lock", "status", "--json", *addresses)))


def update_dvc_lock() -> None:
    """Writes the new stage states into dvc.lock, for git and for the user's own `dvc`."""
    if USE_SPLIT_LOCK:
        _split_lock("merge")


def remove_states(keys: list[str]) -> None:
    """Removes the recorded states of all stages of these keys, also from dvc.lock."""
    _split_lock("remove", *keys)


def _split_lock(*arguments: str) -> list[str]:
    """The result of a command of split_lock.py."""
    return json.loads(_query(SPLIT_LOCK, *arguments))


def _query(module: str, *arguments: str) -> str:
    """The output of `python -m module`. It is run again after DVC's files have been repaired."""
    _verify_cache_once(Path().resolve())
    for _ in range(MAX_ATTEMPTS):
        done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, encoding="utf-8")
        if not done.returncode:
            return done.stdout
        if not repair.recover(Path(), done.stderr):
            break
    raise StageFailed(f"dvc failed:\n{messages.mask_passwords(done.stderr)}")


def config_value(name: str) -> str:
    """A value of DVC's configuration; empty if it is not set."""
    done = subprocess.run([sys.executable, "-m", "dvc", "config", name], capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def run_experiment(name: str, changes: dict[str, str], goals: list[str], folder: Path, lock: Path,
                   on_stage_start: Callable[[str], None]) -> None:
    """Brings `goals` and all that they need up to date in another project folder, as the DVC experiment `name`.

    changes: {place in params.yaml: value}. on_stage_start: called with the address of each stage that is computed.
    lock: DVC holds this file's lock and writes its process id into it (see file_lock.terminate_holder)."""
    sets = [word for place, value in changes.items() for word in ("--set-param", f"{place}={value}")]
    _run(["exp", "run", "--name", name, *sets, *goals], goals[-1], folder, lock,
         lambda event: on_stage_start(event["address"]) if event["kind"] == "begun" else None)


def stop_all() -> None:
    """Terminates every running stage. From now on none starts."""
    subprocesses.terminate_all()


def _run(arguments: list[str], address: str, folder: Path = Path(), lock: Path | None = None,
         on_event: EventHandler = ignore_event, idle_timeout: float | None = None,
         environment: dict[str, str] | None = None) -> str:
    """Runs `dvc`. Runs it again if other processes used the same files or DVC's files had to be repaired. Returns its
    output. Files that it may have added to its cache are marked for verification."""
    _verify_cache_once(folder.resolve())
    for _ in range(MAX_ATTEMPTS):
        program, output, events = _run_once(arguments, folder, lock, on_event, idle_timeout, environment or {})
        if not messages.cache_unchanged(output):
            repair.force_verification(folder)
        if program.timed_out:
            raise StageFailed(f"{events[-1]['address']} was terminated: no output for {idle_timeout / 60:g} minutes. "
                              "--retries 1 tries again; --timeout MINUTES allows more time")
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
    """Marks the files that were in the cache before this process started."""
    repair.force_verification(folder)


def _run_once(arguments: list[str], folder: Path, lock: Path | None, on_event: EventHandler, idle_timeout: float | None,
              environment: dict[str, str]) -> tuple[Program, str, list[Event]]:
    """Runs `dvc` to its end. Returns the program, its output, and the events of its stages except progress. Lines of the
    stages go to the terminal as they come.

    It runs in a separate process because DVC's locks do not work between threads of one process. It holds `lock`, with
    its process id in the file, until it ends."""
    module = SPLIT_LOCK if USE_SPLIT_LOCK and folder == Path() else "dvc"
    command, lines, events = [sys.executable, "-m", module, *arguments], [], []
    with lock.open("w", encoding="utf-8") if lock else nullcontext() as lock_file:
        if lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
        program = Program(command, folder, _environment() | environment, (lock_file.fileno(),) if lock_file else ())
        if lock_file:
            lock_file.write(str(program.pid))
    with program:
        for item in program.output():
            if isinstance(item, str):
                line = messages.mask_passwords(item)
                lines.append(line)
                if messages.is_dvc_message(line) or _NATIVE_LOG.match(line):
                    continue
                terminal.print_line(line)
                item = {"kind": "line", "text": line.strip()}
            elif item["kind"] == "progress":
                terminal.draw_bar(item)
            else:
                events.append(item)
                program.idle_timeout = idle_timeout if item["kind"] == "begun" else None
            on_event(item)
        program.wait()
    return program, "".join(lines), events


def _environment() -> dict[str, str]:
    """The environment of `dvc`: `python` in dvc.yaml is this interpreter, and progress bars are as wide as the
    terminal."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    columns = str(shutil.get_terminal_size().columns)
    few_retries = {"AWS_MAX_ATTEMPTS": "2"}  # we retry ourselves; botocore would retry for every file of the run cache
    return {"COLUMNS": columns, "PYTHONUNBUFFERED": "1", **few_retries, **os.environ, "PATH": path}


def _failure(address: str, output: str, events: list[Event]) -> StageFailed:
    """The error for a dvc program that failed: the stage's own message if it rejected its input, else DVC's reason."""
    for event in events:
        if event["kind"] == "elsewhere":
            return NotComputed(f"{event['address']}: in no cache")
        if event["kind"] == "refused":
            return StageFailed(f"{event['address']}: {event['message']}", permanent=True)
        address = event["address"]
    if subprocesses.shutting_down():
        return StageFailed(f"{address} was terminated; run the same command again to continue")
    permanent = True
    if messages.disk_full(output):
        reason, rest = "the disk is full or read-only. Free some space and run the same command again", output
    elif failed := messages.failed_stage(output):
        permanent, (address, reason, rest) = False, failed
    elif messages.remote_denied(output):
        reason, rest = ("the DVC remote denies access or does not exist. Check `dvc remote list`, and the keys in "
                        ".dvc/config.local or the environment"), output
    else:
        permanent, reason, rest = False, "dvc ended with an error", output
    lines = [line for line in rest.splitlines() if not messages.is_dvc_message(line)][-_TAIL:]
    return StageFailed("\n  ".join([f"{address} failed: {reason}", *lines]), permanent)
