"""A training step of the demo beside other busy programs: python -m tests.benchmarks.threads

Prints milliseconds a step for `threads: auto` and for as many threads as there are processors, which wait for each other
as OpenMP does without further word; with nothing else to do, beside one busy process, and beside three, which are one
program in a session of its own, like a build in another terminal. The steps in which `auto` finds out are counted. Exits
with 1 where a goal is missed. Needs the machine for itself for four minutes, and a minute before to render somebody.

--only idle,one     some of: idle, one, three
--seconds 24        of each spell
--keep DIR          works in DIR and leaves it; what is already prepared there is not made again
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stages import params, processors, threads
from tests.benchmarks import held_out, inference
from tests.benchmarks.figures import Figure, command, verdict

BUSY = {"idle": 0, "one": 1, "three": 3}         # processes beside it
GOALS = {"idle": 1.05, "one": 1.7, "three": 2.0}  # of the idle step with as many threads as processors
ALL = "all processors"
WAYS = ("auto", ALL)
SPIN = "import os\nfor _ in range({count} - 1):\n    if not os.fork(): break\nwhile True: pass"


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute without end."""
    if not count:
        yield
        return
    program = subprocess.Popen([sys.executable, "-c", SPIN.format(count=count)], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


class Trained:
    """A training in a process of its own, which takes steps for as long as it is told, and then waits."""

    def __init__(self, folder: Path, way: str):
        environment = os.environ | {"PYTHONPATH": str(held_out.ROOT)}
        if way == ALL:  # stages sets nothing where this is set, be it to nothing
            environment = {name: environment[name] for name in environment if name != "GOMP_SPINCOUNT"}
            environment["OMP_WAIT_POLICY"] = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(folder), way], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)

    def steps(self, seconds: float) -> tuple[float, str]:
        """Milliseconds a step over so many seconds, and what it says of its threads."""
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def train(folder: Path, way: str, orders, answer) -> None:
    """The other side of it."""
    block = params.load(held_out.ROOT / "params.yaml").presets["demo"].generator_training
    with threads.chosen("auto" if way == "auto" else processors.count()):
        batches, training = held_out.begin(folder, "me", block)
        own = threads.Threads(block.judge_every)
        for order in orders:
            begun, done = time.perf_counter(), 0
            own.used.clear()
            while time.perf_counter() - begun < float(order) or done % block.judge_every:
                with own:
                    training.advance(batches)
                done += 1
            answer([1000 * (time.perf_counter() - begun) / done, str(own)])


def alone() -> None:
    """Ends it where another program computes already: no step is idle then, and every goal seems reached."""
    room = processors.room(1.0)
    if room is not None and room < processors.count() - 0.3:
        sys.exit(f"other programs leave {room:.1f} of {processors.count()} processors; expected a machine with nothing "
                 "else to do: end them, and measure again")


def measure(folder: Path, spells: list[str], seconds: float) -> list[Figure]:
    trained, found, told = {way: Trained(folder, way) for way in WAYS}, {}, {}
    try:
        for training in trained.values():
            training.steps(1)
        for spell in dict.fromkeys(["idle", *spells]):
            for way, training in trained.items():
                alone()
                with busy(BUSY[spell]):
                    found[spell, way], told[spell, way] = training.steps(seconds)
                if spell != "idle":
                    found[f"idle after {spell}", way], told[f"idle after {spell}", way] = training.steps(seconds / 2)
    finally:
        for training in trained.values():
            training.close()
    for (spell, way), milliseconds in found.items():
        print(f"{spell:<20}{way:<20}{milliseconds:8.0f} ms   {told[spell, way]}")
    idle = found["idle", ALL]
    return [Figure(f"a step, {spell}, of the idle step of all processors", found[spell, "auto"] / idle, GOALS[spell], "",
                   True, f"{found[spell, 'auto']:.0f} ms; {found[spell, ALL]:.0f} ms with all") for spell in spells]


def prepare(folder: Path) -> None:
    if not (folder / "artifacts/me/generator").exists():
        inference.learn(folder, params.load(held_out.ROOT / "params.yaml").presets["demo"], 256, "cpu")


def main() -> int:
    parser = command(__doc__, BUSY)
    parser.add_argument("--seconds", type=float, default=24.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (wanted.keep or Path(scratch)).resolve()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            prepare(folder)
        return verdict(measure(folder, wanted.only, wanted.seconds))


if __name__ == "__main__":
    if sys.argv[2:] and sys.argv[2] in WAYS:
        answers = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            train(Path(sys.argv[1]), sys.argv[2], sys.stdin, lambda told: print(json.dumps(told), file=answers, flush=True))
    else:
        sys.exit(main())
