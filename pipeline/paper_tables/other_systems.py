"""`python -m pipeline evaluate`: any system's frames of a transfer, scored by the code that scores our own."""

import hashlib
import json
import re
from pathlib import Path

from pipeline import graph, inspect
from pipeline.paper_tables.experiments import BASE
from stages import InputError, layout
from stages.code_digest import Code
from stages.params import Params

ROOT = Path(__file__).parents[2]
OURS = ("foreground", "unsigned", "background")  # what the stage `metrics` reads beside what frames are measured against


def evaluate(config: Params, frames: Path, name: str, key: str) -> str:
    """Scores `frames`, a folder of images or a video, as the system `name`, with the metric settings of the tables' own rows;
    gives them beside the transfer's own."""
    if not re.fullmatch(layout.NAME, name) or name == BASE:
        raise InputError(f"--as {name}: expected small letters, digits and _, such as lwgan, and not `{BASE}`, which "
                         "is ours")
    entry = config.entry("metrics", key)
    read = layout.inputs("metrics", key, target=entry.target, source=entry.source)
    measured = {argument: path for argument, path in read.items() if argument not in OURS}
    made = graph.producers(config)
    for path in measured.values():
        if not path.exists():
            raise InputError(f"{path} is not there; `python -m pipeline stage {made[path]}` makes it")
    from stages.evaluation import system_frames

    found = layout.system(key, name)
    found["metrics"].parent.mkdir(parents=True, exist_ok=True)
    metrics = config.with_variants(entry.preset, *({BASE} & config.variants.keys())).metrics
    system_frames.run(frames, measured, **found, params=metrics, entry=entry, key=key, code=code())
    return summary(name, found["metrics"], layout.outputs("metrics", key)["metrics"])


def code() -> str:
    """Another text where any of the code that scores has changed; DVC sees to our own scores, nobody to others'."""
    return hashlib.sha256(Code(ROOT).digest("evaluation.system_frames").encode()).hexdigest()


def stale(theirs: Path, ours: Path | None) -> str | None:
    """Why the scores of another system do not count any more, beside `ours` of the same transfer, as far as it is
    known."""
    found, own = (json.loads(file.read_text(encoding="utf-8")) if file else {} for file in (theirs, ours))
    if found.get("code") != code():
        return "scored by other code than there is now"
    if own and own["against"] != found["against"]:
        return "scored against other frames than ours: the truth or the transfer has changed"
    if own and own["flow"] != found["flow"]:
        return f"scored with another flow model than ours, {own['flow']}"
    return None


def summary(name: str, theirs: Path, ours: Path) -> str:
    """Every score that these frames have, one column a system; ours only where it is there."""
    files = {name: theirs} | ({"ours": ours} if ours.exists() else {})
    scores = [json.loads(file.read_text(encoding="utf-8"))["metrics"] for file in files.values()]
    rows = [(metric, *(inspect.figure(one.get(metric, {"value": None})) for one in scores))
            for metric, score in scores[0].items() if score["value"] is not None]
    lines = [inspect.table(("metric", *files), rows), *inspect.missing(scores[0], scores[0])]
    return "\n".join([*lines, f"  {theirs}"])
