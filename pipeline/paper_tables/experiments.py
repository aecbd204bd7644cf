"""Runs the methods of the paper's tables as DVC experiments.

The name of an experiment contains a hash of everything that its scores depend on: parameters, code, the user's videos.
Its scores are stored under that name in artifacts/tables/experiments/, so that a finished experiment is not run again.
Experiments run one after another and in the foreground, because DVC's queue leaves a worker process behind. They use
the project's cache, so only the stages that differ are computed."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline import file_lock, graph
from pipeline.dvc_backend import dvc_client
from pipeline.paper_tables.workspace import Workspace
from stages import InputError, layout
from stages.code_digest import Code
from stages.media.files import sha256
from stages.params import Params, Preset

BASE_VARIANT = "complete"  # the paper's "Ours"; the other variants are changes to it
LOCK = layout.CHECKPOINTS / "experiments.lock"         # held by `table`
RUNNING_LOCK = layout.CHECKPOINTS / "experiment.lock"  # held by DVC while an experiment runs


@dataclass(frozen=True)
class Experiment:
    """A variant of a preset with a seed, and the transfers to score."""
    variant: str
    seed: int                   # added to the preset's own seeds
    name: str
    changes: dict[str, str]     # {place in params.yaml: value}
    transfers: tuple[str, ...]  # keys of the transfers to score

    def scores(self, transfer: str) -> dict[str, Path]:
        return layout.scores(layout.experiment(self.name), transfer)

    @property
    def finished(self) -> bool:
        return layout.experiment(self.name).exists()

    @property
    def goals(self) -> list[str]:
        return [f"metrics@{key}" for key in self.transfers]


def plan_experiments(config: Params, preset: str, variants: Iterable[str], transfers: tuple[str, ...], seeds: int = 1
            ) -> list[Experiment]:
    """One experiment per variant and seed. In an experiment, all entries that `transfers` need use `preset` with the
    changes of the variant. The order is by seed, then by variant, so that the methods can be compared before all seeds
    are done."""
    goals, variants = [f"metrics@{key}" for key in transfers], list(variants)
    files = _input_checksums(config, goals)
    return [_experiment(config, preset, variant, seed, transfers, files)
            for seed in range(seeds) for variant in variants]


def _experiment(config: Params, preset: str, variant: str, seed: int, transfers: tuple[str, ...], files: str
                ) -> Experiment:
    varied, changes = _with_seed(config.with_variants(preset, BASE_VARIANT, variant), seed), {}
    wanted = {"presets": config.presets | {preset: varied}}
    for kind, keys in _entries(config, transfers).items():
        entries = getattr(config, kind)
        changes |= {f"{kind}.{key}.preset": preset for key in keys if entries[key].preset != preset}
        wanted[kind] = entries | {key: entries[key].model_copy(update={"preset": preset}) for key in keys}
    before = config.presets[preset].model_dump(mode="json")
    for stage, block in varied.model_dump(mode="json").items():
        changes |= {f"presets.{preset}.{stage}.{field}": json.dumps(value)
                    for field, value in block.items() if value != before[stage][field]}
    config, digest = config.model_copy(update=wanted), hashlib.sha256(files.encode())
    for address in graph.plan(config, [f"metrics@{key}" for key in transfers]):
        stage, key = graph.split(address)
        digest.update(f"{address} {config.entry(stage, key)} {config.block(stage, key)}\n".encode())
    name = f"{preset}_{variant}_{seed}_{digest.hexdigest()[:12]}"
    return Experiment(variant, seed, name, changes, transfers)


def _with_seed(preset: Preset, seed: int) -> Preset:
    """The preset with `seed` added to the seeds of both trainings."""
    blocks = {stage: getattr(preset, stage) for stage in graph.TRAININGS}
    return preset.model_copy(update={stage: block.model_copy(update={"seed": block.seed + seed})
                                     for stage, block in blocks.items()})


def run(config: Params, experiments: list[Experiment], failures: dict[str, str]) -> None:
    """Runs the experiments that are not finished. The errors of failed ones are added to `failures`, by name. Raises
    InputError if another `table` is running."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w", encoding="utf-8") as lock:
        if not file_lock.try_lock(lock):
            raise InputError("another `table` is running in this folder; wait until it is done")
        file_lock.terminate_holder(RUNNING_LOCK)
        left = [one for one in experiments if not one.finished]
        done = len(experiments) - len(left)
        print(f"{done} of {len(experiments)} experiments are finished, {len(left)} left", flush=True)
        workspace = Workspace(user_files(config, left[0].goals)) if left else None
        for number, one in enumerate(left, 1):
            label = f"[{number}/{len(left)}] {one.variant}" + (f", seed {one.seed}" if one.seed else "")
            changed = dict.fromkeys(place.split(".")[2] for place in one.changes)  # stages, and `preset` of entries
            print(f"{label}: {', '.join(changed) or 'nothing'} changed", flush=True)
            try:
                _run(workspace, one, label)
            except dvc_client.StageFailed as error:
                failures[one.name] = str(error)
            result = f"failed: {failures[one.name]}" if one.name in failures else "finished"
            print(f"{label}: {result}; {len(left) - number} left", flush=True)


def _run(workspace: Workspace, one: Experiment, label: str) -> None:
    workspace.reset()
    workspace.forget(one.name)
    dvc_client.run_experiment(one.name, one.changes, one.goals, workspace.folder, RUNNING_LOCK,
                              lambda address: print(f"{label}: {address} ...", flush=True))
    workspace.publish(one.name)
    folder = layout.experiment(one.name)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for key in one.transfers:
        made = layout.outputs("metrics", key)
        for what, path in layout.scores(part, key).items():
            shutil.copy(workspace.folder / made[what], path)
    part.rename(folder)


def _entries(config: Params, transfers: tuple[str, ...]) -> dict[str, list[str]]:
    """The entries of params.yaml, by block, whose presets the transfers use."""
    ends = [config.transfers[key] for key in transfers]
    targets = sorted({one.target for one in ends})
    return {"videos": sorted({*targets, *(one.source for one in ends)}), "subjects": targets, "transfers": [*transfers]}


def user_files(config: Params, goals: list[str]) -> list[Path]:
    """The files and folders that the goals need and no stage writes."""
    made = graph.producers(config)
    read = {path for address in graph.plan(config, goals) for path in graph.reads(config, address).values()}
    return sorted(read - set(made))


def _input_checksums(config: Params, goals: list[str]) -> str:
    """The digests of all code and the checksums of all user files that the goals depend on."""
    code, stages = Code(), {graph.split(address)[0] for address in graph.plan(config, goals)}
    lines = [f"{stage}\n{code.digest(stage)}" for stage in sorted(stages)]
    for path in user_files(config, goals):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                lines.append(f"{file} {sha256(file)}\n")
    return "".join(lines)
