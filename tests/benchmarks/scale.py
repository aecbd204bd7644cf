"""Overhead of DVC and Prefect for 3, 30 and 300 subjects, and how it grows: python -m tests.benchmarks.scale

The graph, DVC and Prefect are real. The stages only sleep, each for the time of the real one on a GPU divided by
SHORTENED. The flow computes the stages of --sample subjects; for all others, artifacts and DVC's state are written as
the stages and DVC would have written them, which `pending` confirms. (--sample 100 --jobs 2 takes 45 minutes on two
cores.) Exits with 1 if growth is not linear, or if checking 300 unchanged subjects takes more than a minute.
"""

import argparse
import hashlib
import json
import math
import os
import pstats
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from functools import cache, reduce
from pathlib import Path

import yaml

from tests import settings

ROOT = Path(__file__).parents[2]
SIZES = (3, 30, 300)
SHORTENED = 10_000
SECONDS = {  # of a stage on a GPU, roughly
    "frames": 120, "pose_extraction": 180, "mask_segmentation": 120, "background_inpainting": 120,
    "face_vector_indexing": 10, "generator_training": 3600, "local_gan_training": 900, "retargeting": 5,
    "pose_coverage": 10, "fusion": 120, "signing": 1, "metrics": 180, "report": 20,
}
NO_OP = 60.0   # maximum seconds for 300 subjects
LINEAR = 1.25  # largest exponent of growth: 1 is linear; constant costs make it less
SLEEPER = f'''
import json, sys, time
from stages import events, layout

stage, _, key = sys.argv[2].partition("@")
events.emit("begun", address=sys.argv[2])
time.sleep({SECONDS!r}[stage] / {SHORTENED})
for path in layout.outputs(stage, key).values():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(metrics={{}}, headline=[], of=f"{{stage}}@{{key}}", path=str(path))))
events.emit("ended", address=sys.argv[2])
'''


def project(folder: Path, count: int) -> None:
    """Writes a project of `count` subjects, each with a video, and with the motion of the next one."""
    from pipeline.dvc_backend.digests import write_digests
    from tests.miniature import REAL

    for name in REAL:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for stage in ("samples", *SECONDS):
        (folder / f"stages/{stage}.py").write_text(f'"""{stage}"""\n')
    (folder / "stages/__main__.py").write_text(SLEEPER)
    write_digests(folder)
    (folder / "clips").mkdir()
    names = [f"person_{number:03d}" for number in range(count)]
    for name in names:
        (folder / f"clips/{name}.mp4").write_text(name)
    moves = {f"{one}_from_{other}": {"target": one, "source": other, "preset": "demo", "truth": f"clips/{other}.mp4"}
             for one, other in zip(names, names[1:] + names[:1])}
    settings.write(folder, settings.people({name: f"clips/{name}.mp4" for name in names}, transfers=moves))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def write_states(plan: list[str]) -> None:
    """Writes artifacts and DVC's state as the stages of a plan and DVC would."""
    from dvc.dependency import ParamsDependency
    from dvc.dvcfile import ProjectFile
    from dvc.repo import Repo

    from pipeline import graph
    from stages import layout

    @cache
    def file(path: str) -> dict:
        content = Path(path).read_bytes()
        return {"hash": "md5", "md5": hashlib.md5(content).hexdigest(), "size": len(content)}

    config, new = yaml.load(Path("params.yaml").read_text(), yaml.CSafeLoader), Path(".dvc/tmp/states/new")
    new.mkdir(parents=True)
    with Repo() as repo:
        stages = ProjectFile(repo, "dvc.yaml").stages
        metric_weights = next(dep for dep in stages[next(a for a in plan if a.startswith("metrics@"))].deps
                              if dep.def_path == "metric_weights")
        folder = {"hash": "md5", "md5": metric_weights.get_hash().value, "size": metric_weights.get_meta().size,
                  "nfiles": metric_weights.get_meta().nfiles}
        for address in plan:
            stage, (name, key) = stages[address], graph.split(address)
            for out in map(str, layout.outputs(name, key).values()):
                text = json.dumps(dict(metrics={}, headline=[], of=address, path=out))
                Path(out).parent.mkdir(parents=True, exist_ok=True)
                Path(out).write_text(text)
                digest = file(out)["md5"]
                kept = Path(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(text)
                kept.chmod(0o444)
            deps = sorted(dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency))
            places = sorted(place for dep in stage.deps if isinstance(dep, ParamsDependency) for place in dep.params)
            layout.state(address).write_text(json.dumps({
                "cmd": stage.cmd,
                "deps": [{"path": path, **(folder if path == "metric_weights" else file(path))} for path in deps],
                "params": {"params.yaml": {place: reduce(dict.get, place.split("."), config) for place in places}},
                "outs": [{"path": path, **file(path)} for path in sorted(out.def_path for out in stage.outs)],
            }))
            (new / address).touch()


class Cost:
    """Measures wall-clock seconds (`clock`) and CPU seconds (`work`), including child processes."""

    def __enter__(self) -> "Cost":
        self.begun = self._now()
        return self

    def __exit__(self, *_) -> None:
        self.clock, self.work = (now - before for now, before in zip(self._now(), self.begun))

    @staticmethod
    def _now() -> tuple[float, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)


def measure(count: int, sample: int, jobs: int) -> dict[str, float]:
    """All figures for one number of subjects, in the current folder."""
    from pipeline import graph
    from pipeline.dvc_backend import dvc_client
    from pipeline.orchestration import flows
    from stages import params

    project(Path(), count)
    config = params.load()
    plan = graph.plan(config, [f"report@{key}" for key in config.transfers])
    ours = {*list(config.subjects)[:sample], *list(config.transfers)[:sample]}
    computed = [address for address in plan if graph.split(address)[1] in ours]
    write_states(list(plan))
    dvc_client.update_dvc_lock()
    with Cost() as no_op:
        left = dvc_client.pending(plan)
    assert not left, f"DVC would compute {len(left)} stages that should be up to date"
    for name in list(config.subjects)[:sample]:
        Path(f"clips/{name}.mp4").write_text(f"another {name}")
    for key in ours:
        shutil.rmtree(f"artifacts/{key}")
    with Cost() as run, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        flows.copy_all(jobs=jobs)
    assert not dvc_client.pending(plan)
    slept = sum(SECONDS[graph.split(address)[0]] for address in computed) / SHORTENED
    lock = Path("dvc.lock")
    with Cost() as plain:  # the cost of a stage with the dvc program itself, which uses a single dvc.lock
        Path(f"clips/{list(config.subjects)[0]}.mp4").write_text("yet another")
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", "--single-item", computed[0]], check=True,
                       capture_output=True, env=dvc_client._environment())
    return {
        "stages": len(plan),
        "no-op, s": no_op.clock,
        "no-op, s of processors": no_op.work,
        "overhead a stage, s": (run.clock - no_op.clock - slept) / len(computed),
        "overhead a stage, s of processors": (run.work - no_op.work) / len(computed),
        "overhead of all stages, s of processors": (run.work - no_op.work) / len(computed) * len(plan),
        "states, MB": _size(Path(".dvc/tmp/states")),
        "dvc.lock, MB": lock.stat().st_size / 1e6,
        "run-cache of a stage, MB": _size(Path(".dvc/cache/runs")) / len(computed),
        "database of checksums, MB": _size(Path(os.environ["DVC_SITE_CACHE_DIR"])),
        "a stage by plain dvc, s of processors": plain.work,
    }


def profile(folder: Path) -> str:
    """A profile of plain DVC for one stage of 30 subjects."""
    file = folder / "profile"
    Path("clips/person_000.mp4").write_text("profiled")
    subprocess.run([sys.executable, "-m", "cProfile", "-o", str(file), "-m", "dvc", "repro", "--quiet", "--single-item",
                    "frames@person_000"], check=True, capture_output=True)
    found = {}
    stats = pstats.Stats(str(file))
    for (path, _, name), (_, _, _, seconds, _) in stats.stats.items():
        for what, (end, function) in {
            "dvc.lock parsed before": ("dvc/dvcfile.py", "lockfile_contents"),
            "dvc.lock parsed and written after": ("dvc/dvcfile.py", "dump_stages"),
            "the stage": ("dvc/stage/run.py", "cmd_run"), "params.yaml": ("dvc/dependency/param.py", "read_param_file"),
        }.items():
            if path.endswith(end) and name == function:
                found[what] = max(seconds, found.get(what, 0))
    total = stats.total_tt
    return "\n".join([f"one stage by plain dvc, 30 subjects, under the profiler: {total:.1f} s"] + [
        f"  {what}: {seconds:.1f} s ({seconds / total:.0%})" for what, seconds in found.items()])


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=2, help="subjects whose stages are computed (2)")
    parser.add_argument("--jobs", type=int, default=1, help="stages side by side (1)")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DVC_SITE_CACHE_DIR=f"{folder}/site", PREFECT_HOME=f"{folder}/prefect",
                          PREFECT_LOGGING_LEVEL="CRITICAL",
                          PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120")
        figures = {}
        for count in SIZES:
            os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site{count}"
            Path(f"{folder}/{count}").mkdir()
            os.chdir(f"{folder}/{count}")
            figures[count] = measure(count, min(options.sample, count), options.jobs)
        os.chdir(f"{folder}/30")
        os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site30"
        text = profile(Path(folder))
        os.chdir(ROOT)
    failed = report(figures)
    print(f"\n{text}\n")
    print("\n".join(failed) or "every goal is met")
    return bool(failed)


def report(figures: dict[int, dict[str, float]]) -> list[str]:
    """Prints the table. Returns the goals that are missed."""
    print(f"\n{'':42}" + "".join(f"{f'{count} subjects':>14}" for count in SIZES) + "   growth 3-30 30-300")
    failed = []
    for name in figures[SIZES[0]]:
        values = [figures[count][name] for count in SIZES]
        powers = [math.log10(after / before) for before, after in zip(values, values[1:])]
        row = [f"{name:42}", *(f"{value:14.4g}" for value in values), *(f"{power:9.2f}" for power in powers)]
        print("".join(row))
        whole = name in ("no-op, s of processors", "overhead of all stages, s of processors")
        if (whole or "MB" in name) and powers[-1] > LINEAR:
            failed.append(f"MISSED: {name} grows with the power {powers[-1]:.2f} of the subjects; {LINEAR} at most")
    if figures[SIZES[-1]]["no-op, s"] > NO_OP:
        failed.append(f"MISSED: a no-op takes {figures[SIZES[-1]]['no-op, s']:.0f} s; {NO_OP:.0f} s at most")
    return failed


if __name__ == "__main__":
    sys.exit(main())
