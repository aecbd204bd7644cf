"""`python -m pipeline evaluate`: scores the frames of another system for a transfer, with the code of the stage
`metrics`."""

import hashlib
import json
import re
from pathlib import Path

from pipeline import graph, inspect
from pipeline.paper_tables.experiments import BASE_VARIANT
from stages import InputError, layout
from stages.code_digest import Code
from stages.params import Params

ROOT = Path(__file__).parents[2]
OUR_INPUTS = ("foreground", "unsigned", "background")  # inputs of `metrics` that come from our system, not from the truth


def evaluate(config: Params, frames: Path, name: str, key: str) -> str:
    """Scores `frames`, a folder of images or a video, as the system `name`, with the metric settings of the tables.
    Returns a table of its scores next to ours. Raises InputError if an artifact is missing."""
    if not re.fullmatch(layout.NAME, name) or name == BASE_VARIANT:
        raise InputError(f"--as {name}: expected lower-case letters, digits and _, such as lwgan, but not "
                         f"`{BASE_VARIANT}`, which is ours")
    entry = config.entry("metrics", key)
    read = layout.inputs("metrics", key, target=entry.target, source=entry.source)
    measured = {argument: path for argument, path in read.items() if argument not in OUR_INPUTS}
    made = graph.producers(config)
    for path in measured.values():
        if not path.exists():
            raise InputError(f"{path} is missing; run `python -m pipeline stage {made[path]}`")
    from stages.evaluation import system_frames

    found = layout.system(key, name)
    found["metrics"].parent.mkdir(parents=True, exist_ok=True)
    metrics = config.with_variants(entry.preset, *({BASE_VARIANT} & config.variants.keys())).metrics
    system_frames.run(frames, measured, **found, params=metrics, entry=entry, key=key, code=code_checksum())
    return summary(name, found["metrics"], layout.outputs("metrics", key)["metrics"])


def code_checksum() -> str:
    """A checksum of all code that computes scores. After a change of code, DVC recomputes our own scores; outdated
    scores of other systems are recognised by this checksum."""
    return hashlib.sha256(Code(ROOT).digest("evaluation.system_frames").encode()).hexdigest()


def outdated_reason(theirs: Path, ours: Path | None) -> str | None:
    """The reason why the scores of another system are out of date, compared with `ours` of the same transfer if these
    exist. None if they are up to date."""
    found, own = (json.loads(file.read_text(encoding="utf-8")) if file else {} for file in (theirs, ours))
    if found.get("code") != code_checksum():
        return "scored with an older version of the code"
    if own and own["against"] != found["against"]:
        return "scored against other frames than ours: the truth or the transfer has changed"
    if own and own["flow"] != found["flow"]:
        return f"scored with another flow model than ours, {own['flow']}"
    return None


def summary(name: str, theirs: Path, ours: Path) -> str:
    """All scores of these frames, one column per system. Ours are included if they exist."""
    files = {name: theirs} | ({"ours": ours} if ours.exists() else {})
    scores = [json.loads(file.read_text(encoding="utf-8"))["metrics"] for file in files.values()]
    rows = [(metric, *(inspect.format_score(one.get(metric, {"value": None})) for one in scores))
            for metric, score in scores[0].items() if score["value"] is not None]
    lines = [inspect.format_table(("metric", *files), rows), *inspect.missing_scores(scores[0], scores[0])]
    return "\n".join([*lines, f"  {theirs}"])
