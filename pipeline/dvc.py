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

from pipeline import bookkeeping, process
from pipeline.process import Program
from stages import layout

# What DVC says about its own bookkeeping; the rest of its output is the stage's.
_CHATTER = re.compile(
    r"Running stage|> python |(Updating|Generating) lock file|To track the changes|\tgit add|To enable auto staging"
    r"|\tdvc config|Use `dvc push`|Stage '.*(skipping|checking out outputs)|Data and pipelines are up to date"
    r"|ERROR: failed to reproduce|WARNING: (No file hash info|Process '.*RWLock-file)|Reproducing experiment"
    rf"|Ran experiment|Experiment results have been applied|\S+: {layout.NOT_HERE}|\d+ files? (pushed|fetched)"
    r"|Everything is up to date|[AM] +artifacts/|  \(PID \d+\): |If there are no processes with such PIDs|\s*$"
)
# The native log of MediaPipe, which no setting silences; its errors stay.
_NATIVE = re.compile(r"(?:[IW]\d{4} \d\d:\d\d:|WARNING: All log messages before absl|INFO: Created TensorFlow).*\n")
_RUNNING = re.compile(r"Running stage '(.+?)'")
_SAVING = re.compile("(Updating|Generating) lock file")  # the stage has ended
_FAILED = re.compile(r"ERROR: failed to reproduce '(.+?)': ")
_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@")  # in the address of a remote
DIGESTS = "digests"  # the stage that checks them
STATE = "pipeline.state"  # the dvc program for our own folder
_UNTOUCHED = re.compile("didn't change, skipping|files? pushed|Everything is up to date")  # the cache is as it was
_FULL = re.compile("No space left on device|database or disk is full|No possible cache link types")
_TAIL = 8       # lines of a failed stage that go into the error
ATTEMPTS = 50   # at most, of what was in the way of others
TIMEOUT = 30.0  # minutes without a sign of life after which a stage is ended, where nothing else is said


class StageFailed(RuntimeError):
    """A stage ended with an error. `refused`: the stage says that its input cannot be used, so that trying
    again is no use; the message is then the stage's own."""

    def __init__(self, message: str, refused: bool = False):
        super().__init__(message)
        self.refused = refused


Listener = Callable[[str], None]


def ignore(_: str) -> None:
    """Hears nothing."""


class NotComputed(StageFailed):
    """The outputs of a stage are in no cache, and computing them was not asked for."""


def reproduce(address: str, hears: Listener = ignore, silence: float | None = None) -> bool:
    """Brings the outputs of `stage@key` up to date, its progress going to the terminal as it comes.
    True: the stage was computed; False: nothing had changed, or its outputs came from the cache.

    `hears` is told every line and every state of a progress bar that the stage prints. `silence`: seconds after which a
    stage that prints nothing is ended."""
    lines = _run(["--wait-for-lock", "repro", "--single-item", address], address, hears=hears, silence=silence)
    return any(_RUNNING.match(line) for line in lines)


def restore(address: str, pull: bool = False) -> None:
    """Brings the outputs of `stage@key` up to date without computing them: from the cache or, with `pull`, from the
    remote. Raises NotComputed where neither has them."""
    arguments = ["--wait-for-lock", "repro", *["--pull"] * pull, "--single-item", address]
    try:
        _run(arguments, address, environment={layout.ELSEWHERE: "1"})
    except StageFailed as failure:
        raise (NotComputed(str(failure)) if layout.NOT_HERE in str(failure) else failure) from None


def push(targets: list[str], address: str, run_cache: bool = False) -> None:
    """Sends artifacts to the remote, for the sake of `stage@key`, with all that the run-cache knows where asked for."""
    lines = _run(["--wait-for-lock", "push", *["--run-cache"] * run_cache, *targets], address)
    if failed := next((line for line in lines if line.startswith("ERROR: failed to transfer")), ""):
        raise StageFailed(f"{address}: {failed.strip()}")  # with which DVC ends as if all were well


def pull(file: Path, address: str) -> None:
    """Brings what a .dvc file names from the remote."""
    _run(["--wait-for-lock", "pull", "--force", str(file)], address)


def outputs(address: str) -> list[dict]:
    """Path and checksum of the outputs of `stage@key`, as a .dvc file has them."""
    return json.loads(layout.state(address).read_text())["outs"]


def pending(plan: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is left to do of a plan: what is not up to date, and what waits for that. StageFailed where the digests of
    the code are out of date."""
    changed, left = set(_ask("pending", DIGESTS, *plan)), {}
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
    gather()


def gather() -> None:
    """Writes what was reproduced into dvc.lock, for git and the user's own `dvc`."""
    _ask("gather")


def drop(keys: list[str]) -> None:
    """Removes what is noted of every stage of these keys, here and in dvc.lock."""
    _ask("drop", *keys)


def _ask(*arguments: str) -> list[str]:
    """The words that a command of pipeline/state.py prints; it is asked again where its notes were mended."""
    _check_first(Path().resolve())
    for _ in range(ATTEMPTS):
        done = subprocess.run([sys.executable, "-m", STATE, *arguments], capture_output=True, text=True)
        if not done.returncode:
            return done.stdout.split()
        if not bookkeeping.mend(Path(), done.stderr):
            break
    raise StageFailed(f"dvc failed:\n{_PASSWORD.sub('***@', done.stderr)}")


def setting(name: str) -> str:
    """A value of DVC's configuration; empty where it has none."""
    done = subprocess.run([sys.executable, "-m", "dvc", "config", name], capture_output=True, text=True)
    return done.stdout.strip()


def experiment(name: str, changes: dict[str, str], goals: list[str], folder: Path, lock: Path,
               begins: Listener) -> None:
    """Brings `goals` and what they need up to date in `folder`, a project of its own, with `changes` to its
    params.yaml (place: value), and keeps that as the experiment `name`. `begins` is told the address of each stage
    that has to be computed. Whoever runs it holds `lock` (see `end_orphan`)."""
    sets = [word for place, value in changes.items() for word in ("--set-param", f"{place}={value}")]
    _run(["exp", "run", "--name", name, *sets, *goals], goals[-1], folder, lock, begins)


def end_orphan(lock: Path) -> None:
    """Ends the experiment that goes on because what started it was killed: it still holds `lock`."""
    with lock.open("a+") as file:
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


def _run(arguments: list[str], address: str, folder: Path = Path(), lock: Path | None = None,
         begins: Listener = ignore, hears: Listener = ignore, silence: float | None = None,
         environment: dict[str, str] | None = None) -> list[str]:
    """The lines that the dvc program prints; it is asked again where others were in its way or its notes were mended.
    What it may have put into its cache is to be checked before it is used."""
    _check_first(folder.resolve())
    for _ in range(ATTEMPTS):
        program, lines = _listen(arguments, folder, lock, begins, hears, silence, environment or {})
        running = [found[1] for line in lines if (found := _RUNNING.match(line))]
        if not any(_UNTOUCHED.search(line) for line in lines):
            bookkeeping.distrust(folder)
        if program.silent:
            raise StageFailed(f"{running[-1]} was ended: no sign of life for {silence / 60:g} minutes. "
                              "--retries 1 tries again; --timeout MINUTES gives it longer")
        if not program.wait():
            return lines
        try:
            if not bookkeeping.mend(folder, "".join(lines)):
                break
        except OSError as error:
            lines.append(str(error))
            break
    raise _failure(running[-1] if running else address, "".join(lines))


@cache
def _check_first(folder: Path) -> None:
    """Once for what has come into the cache by other ways."""
    bookkeeping.distrust(folder)


def _listen(arguments: list[str], folder: Path, lock: Path | None, begins: Listener, hears: Listener,
            silence: float | None, environment: dict[str, str]) -> tuple[Program, list[str]]:
    """The dvc program when it has ended, and its lines; those of the stage go to stdout as they come. A process of its
    own, because DVC's locks do not hold between the threads of one. It holds `lock`, in which its number stands, as
    long as it lives."""
    command, lines = [sys.executable, "-m", STATE if folder == Path() else "dvc", *arguments], []
    fresh = True  # at the start of a line
    with lock.open("w") if lock else nullcontext() as mark:
        if mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
        environment = _environment() | environment
        program = Program(command, folder, environment, (mark.fileno(),) if mark else (), _NATIVE)
        if mark:
            mark.write(str(program.number))
    with program:
        for piece in (_PASSWORD.sub("***@", piece) for piece in program.pieces()):
            bar = piece.startswith("\r")
            if not bar:
                lines.append(piece)
                if running := _RUNNING.match(piece):
                    program.silence = silence
                    begins(running[1])
                elif _SAVING.match(piece):
                    program.silence = None
            if bar or not (fresh and _CHATTER.match(piece)):
                sys.stdout.write(piece)
                sys.stdout.flush()
                hears(piece)
                fresh = piece.endswith("\n")
        program.wait()
    return program, lines


def stop() -> None:
    """Ends every stage that runs; from now on none starts."""
    process.end_all()


def _environment() -> dict[str, str]:
    """`python` in dvc.yaml is the interpreter that runs this; progress bars are as wide as the terminal."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    columns = str(shutil.get_terminal_size().columns)
    quick = {"AWS_MAX_ATTEMPTS": "2"}  # trying again is ours, and for every file of the run-cache it would take long
    return {"COLUMNS": columns, "PYTHONUNBUFFERED": "1", **quick, **os.environ, "PATH": path}


def _failure(address: str, output: str) -> StageFailed:
    """Refused input is the stage's last word, begins with its address and has no traceback."""
    reason, full = "", _FULL.search(output)
    if failed := _FAILED.search(output):
        output, address, reason = output[: failed.start()], failed[1], output[failed.end() :]
    _, named, refusal = output.rpartition(f"\n{address}: ")
    if named and reason.strip().endswith("exited with 1") and "\nTraceback" not in output:
        return StageFailed(f"{address}: {refusal.strip()}", refused=True)
    lines = [line for line in output.splitlines() if not _CHATTER.match(line)][-_TAIL:]
    why = reason.strip().removeprefix("failed to run: ") or "interrupted"
    if full:
        why = "the disk is full, or cannot be written to. Make room; the same command then goes on from here"
    elif process.ending():
        return StageFailed(f"{address} was ended; the same command goes on from here")
    return StageFailed("\n  ".join([f"{address} failed: {why}", *lines]))
