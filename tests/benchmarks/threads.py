"""Time of a training step while other programs are running: python -m tests.benchmarks.threads

Prints milliseconds per step for `threads: auto`, and for a fixed number of threads that equals the number of processors
and waits as OpenMP does by default. Each is measured on an idle machine, next to one busy process, and next to three
busy processes, which run in a session of their own, like a build in another terminal. The trial steps of `auto` are
included. Exits with 1 if a goal is missed. Needs an otherwise idle machine for four minutes, and one more minute to
render a person.

--only idle,one     some of: idle, one, three
--seconds 24        duration of each measurement
--keep DIR          works in DIR and keeps it; artifacts that are there are not computed again
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
from tests.benchmarks.figures import Figure, argument_parser, print_figures

BUSY = {"idle": 0, "one": 1, "three": 3}         # number of busy processes
GOALS = {"idle": 1.05, "one": 1.7, "three": 2.0}  # relative to a step on an idle machine with all processors
ALL_PROCESSORS = "all processors"
THREAD_SETTINGS = ("auto", ALL_PROCESSORS)
SPIN = "import os\nfor _ in range({count} - 1):\n    if not os.fork(): break\nwhile True: pass"


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Runs `count` processes that keep a processor busy each."""
    if not count:
        yield
        return
    program = subprocess.Popen([sys.executable, "-c", SPIN.format(count=count)], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


class TrainingProcess:
    """A training in a separate process, which takes steps for a given time on request."""

    def __init__(self, folder: Path, way: str):
        environment = os.environ | {"PYTHONPATH": str(held_out.ROOT)}
        if way == ALL_PROCESSORS:  # if set, even to an empty text, stages do not set GOMP_SPINCOUNT
            environment = {name: environment[name] for name in environment if name != "GOMP_SPINCOUNT"}
            environment["OMP_WAIT_POLICY"] = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(folder), way], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)

    def steps(self, seconds: float) -> tuple[float, str]:
        """Takes steps for `seconds`. Returns milliseconds per step, and a text about the numbers of threads used."""
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def train(folder: Path, way: str, orders, answer) -> None:
    """Runs in the process of TrainingProcess."""
    block = params.load(held_out.ROOT / "params.yaml").presets["demo"].generator_training
    with threads.using("auto" if way == "auto" else processors.count()):
        batches, training = held_out.begin(folder, "me", block)
        own = threads.Threads(block.adversarial_interval)
        for order in orders:
            begun, done = time.perf_counter(), 0
            own.used.clear()
            while time.perf_counter() - begun < float(order) or done % block.adversarial_interval:
                with own:
                    training.advance(batches)
                done += 1
            answer([1000 * (time.perf_counter() - begun) / done, str(own)])


def require_idle() -> None:
    """Exits if another program is already using the processors: the idle time would be too long, and every goal would
    seem reached."""
    room = processors.free_processors(1.0)
    if room is not None and room < processors.count() - 0.3:
        sys.exit(f"other programs leave {room:.1f} of {processors.count()} processors; expected a machine with nothing "
                 "else to do: end them, and measure again")


def measure(folder: Path, spells: list[str], seconds: float) -> list[Figure]:
    trainings, found, used = {way: TrainingProcess(folder, way) for way in THREAD_SETTINGS}, {}, {}
    try:
        for training in trainings.values():
            training.steps(1)
        for spell in dict.fromkeys(["idle", *spells]):
            for way, training in trainings.items():
                require_idle()
                with busy_processes(BUSY[spell]):
                    found[spell, way], used[spell, way] = training.steps(seconds)
                if spell != "idle":
                    found[f"idle after {spell}", way], used[f"idle after {spell}", way] = training.steps(seconds / 2)
    finally:
        for training in trainings.values():
            training.close()
    for (spell, way), milliseconds in found.items():
        print(f"{spell:<20}{way:<20}{milliseconds:8.0f} ms   {used[spell, way]}")
    idle = found["idle", ALL_PROCESSORS]
    return [Figure(f"a step, {spell}, of the idle step of all processors", found[spell, "auto"] / idle, GOALS[spell],
                   "", True, f"{found[spell, 'auto']:.0f} ms; {found[spell, ALL_PROCESSORS]:.0f} ms with all")
            for spell in spells]


def prepare(folder: Path) -> None:
    if not (folder / "artifacts/me/generator").exists():
        inference.learn(folder, params.load(held_out.ROOT / "params.yaml").presets["demo"], 256, "cpu")


def main() -> int:
    parser = argument_parser(__doc__, BUSY)
    parser.add_argument("--seconds", type=float, default=24.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (wanted.keep or Path(scratch)).resolve()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            prepare(folder)
        return print_figures(measure(folder, wanted.only, wanted.seconds))


if __name__ == "__main__":
    if sys.argv[2:] and sys.argv[2] in THREAD_SETTINGS:
        answers = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            train(Path(sys.argv[1]), sys.argv[2], sys.stdin,
                  lambda answer: print(json.dumps(answer), file=answers, flush=True))
    else:
        sys.exit(main())
