"""What makes the generator better in the same time: python -m tests.benchmarks.experiments --keep DIR

Trains every experiment of recipes.py on every person, rendered or filmed, with every seed. All trainings use one thread
and the same CPU time: that of --steps steps of the base. The learning rate schedule is adjusted to the number of steps
that fit in. Pairs of held-out frames are scored as in the stage `metrics`. Prints the table of docs/experiments.md.
LPIPS needs the weights of its network (python -m pipeline weights take).

The result of each training is appended to DIR/experiments.jsonl when it ends. The next run only trains what is missing,
or what is out of date because parameters, code or data have changed. The base is trained first, then one experiment
after the other. With the defaults, each takes about 10 minutes, and 7 more for two clips.

--only adam,edn      names of the experiments to train, in addition to the base
--people NAMES       rendered people (stranger_301,stranger_302,stranger_303)
--clips FILES        videos of filmed people; the file names are the names of the people
--seeds 3            number of seeds
--steps 300          steps of the base, which set the CPU time of all trainings
--jobs 1             number of trainings at the same time, each on a core of its own
--table              trains nothing, and prints the table of the saved results
"""

import argparse
import itertools
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.paper_tables.pages import machine
from stages import InputError, params, pretrained
from stages.preset_block import Name
from tests.benchmarks import held_out
from tests.benchmarks.cell import Cell, measure
from tests.benchmarks.comparison import Rows, caption, format_scores, table
from tests.benchmarks.figures import argument_parser
from tests.benchmarks.recipes import EXPERIMENTS, Experiment

PEOPLE = "stranger_301,stranger_302,stranger_303"


class Results:
    """The saved results by the key of their cell: a file with one JSON object per line, one line per training."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in map(json.loads, lines)}

    def add(self, row: dict) -> None:
        self.rows[row["key"]] = row
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")  # a single write, so that no partial line is left


def people_by_name(people: str, clips: str) -> dict[str, str]:
    """The people by name: `rendered` or the path of a video. Raises InputError if a file does not exist, or if a name
    is used twice, is not valid in params.yaml, or is not that of a rendered stranger."""
    files = [Path(file).resolve() for file in clips.split(",") if file]
    rendered = [name for name in people.split(",") if name]
    names = rendered + [file.stem for file in files]
    for name in names:
        try:
            TypeAdapter(Name).validate_python(name)
        except ValidationError:
            raise InputError(f"{name}: expected a small letter first, then small letters, digits and _; rename the "
                             "file") from None
        if names.count(name) > 1:
            raise InputError(f"{name}: used twice; rename one of the files")
    for name in rendered:
        if not name.rsplit("_")[-1].isdigit():
            raise InputError(f"--people {name}: expected a rendered stranger, such as stranger_301")
    for file in files:
        if not file.exists():
            raise InputError(f"--clips {file}: no such file")
    return dict.fromkeys(rendered, "rendered") | {file.stem: str(file) for file in files}


def plan(experiments: Sequence[Experiment], config: params.Params, people: Sequence[str], seeds: int, steps: int
         ) -> list[Cell]:
    """All trainings, ordered by experiment, seed and person, so that the results of a stopped run can be compared."""
    return [Cell(experiment.name, person, steps, experiment.block(config, seed), EXPERIMENTS[0].block(config, 0))
            for experiment in experiments for seed in range(seeds) for person in people]


def gather(cells: Sequence[Cell], results: Results, folder: Path) -> dict[str, Rows]:
    """The saved results of the cells, by experiment, then by person and seed."""
    found: dict[str, Rows] = {}
    for cell in cells:
        if row := results.rows.get(cell.key(folder)):
            found.setdefault(cell.experiment, {})[cell.person, cell.seed] = row
    return found


def run(cells: Sequence[Cell], results: Results, folder: Path, jobs: int, do=measure) -> None:
    """Measures the missing cells in order. Experiments with identical parameters are measured once."""
    missing = {key: cell for cell in cells if (key := cell.key(folder)) not in results.rows}
    lock, counter = threading.Lock(), itertools.count(1)

    def one(key: str, cell: Cell) -> None:
        row = {"key": key, "experiment": cell.experiment, "person": cell.person, "seed": cell.seed,
               "machine": machine()} | do(folder, cell)
        with lock:
            results.add(row)
            print(f"{next(counter)} of {len(missing)}: {cell.experiment}, {cell.person}, seed {cell.seed}: "
                  f"{describe(row)}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(one, key, cell) for key, cell in missing.items()]
        try:
            for done in as_completed(waiting):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def describe(row: dict) -> str:
    if "error" in row:
        return f"diverged: {row['error']}"
    return f"{row['steps']} steps in {row['took']:.0f} s; {format_scores(row)}"


def main() -> int:
    parser = argument_parser(__doc__, [experiment.name for experiment in EXPERIMENTS])
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--people", default=PEOPLE)
    parser.add_argument("--clips", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    wanted = parser.parse_args()
    if min(wanted.seeds, wanted.jobs, wanted.steps) <= 0:
        parser.error("--seeds, --jobs and --steps: expected more than 0")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (wanted.keep or Path(scratch)).resolve()
        try:
            people = people_by_name(wanted.people, wanted.clips)
            experiments = [e for e in EXPERIMENTS if e is EXPERIMENTS[0] or e.name in wanted.only]
            cells = plan(experiments, params.load(held_out.ROOT / "params.yaml"), list(people), wanted.seeds,
                         wanted.steps)
            if not wanted.table:
                pretrained.find(pretrained.ALEXNET)
                held_out.prepare(folder, people)
            results = Results(folder / "experiments.jsonl")
            if not wanted.table:
                run(cells, results, folder, wanted.jobs)
            found = gather(cells, results, folder)
        except InputError as error:
            parser.error(str(error))
    if others := len(results.rows.keys() - {cell.key(folder) for cell in cells}):
        print(f"left out: {others} trainings in {results.path} with other parameters, steps, people, data or code")
    kinds = {name: "rendered" if file == "rendered" else "real" for name, file in people.items()}
    print(f"\n{caption(found, kinds, wanted.steps, machine())}\n\n{table(experiments, found, kinds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
