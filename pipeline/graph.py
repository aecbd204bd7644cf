"""What must run before what, read from params.yaml and stages/layout.py.

A stage of one key has an address, `stage@key`. It needs the addresses whose outputs it reads: that is how DVC
sees dvc.yaml too, and a test holds the two alike.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from stages import InputError, layout, pretrained
from stages.consent import EXAMPLE
from stages.params import Params

TOLD = 8  # names of many, where one is not among them


def split(address: str) -> tuple[str, str]:
    """generator_training@ava -> generator_training, ava"""
    stage, at, key = address.partition("@")
    if not (stage and at and key):
        raise InputError(f"`{address}`: expected STAGE@KEY, such as generator_training@ava")
    return stage, key


def reads(config: Params, address: str) -> dict[str, Path]:
    """Every file that an address reads: artifacts by the argument they become, the user's by their place in
    params.yaml, and the folder of weights that metrics depend on."""
    stage, key = split(address)
    config.entry(stage, key)
    files = {"frames": ("videos", "file"), "metrics": ("transfers", "truth"), "report": ("transfers", "truth")}
    user = {}
    if stage in files:
        kind, field = files[stage]
        user[f"{kind}.{key}.{field}"] = Path(getattr(getattr(config, kind)[key], field))
    if stage == "metrics":
        user["metric_weights"] = pretrained.METRIC_FOLDER
    ends = {}
    if layout.KINDS[stage] == "transfers":
        ends = {"target": config.transfers[key].target, "source": config.transfers[key].source}
    return user | layout.inputs(stage, key, **ends)


def producers(config: Params) -> dict[Path, str]:
    """Every artifact and the address that writes it."""
    return {
        path: f"{stage}@{key}"
        for stage, kind in layout.KINDS.items()
        for key in getattr(config, kind)
        for path in layout.outputs(stage, key).values()
    }


def goals(keys: Iterable[str]) -> list[str]:
    """What a run of these transfers is for: what to film comes first."""
    return [f"{last}@{key}" for last in ("pose_coverage", "report") for key in keys]


def plan(config: Params, goals: Iterable[str]) -> dict[str, list[str]]:
    """The goals and all that they need, each after what it needs: {address: addresses it waits for}. One goal after the
    other, so that the first is reached before all have begun.

    Raises InputError for a file of the user that is not there, and for a subject who has not agreed, before anything
    runs: whatever runs, runs a plan."""
    goals = list(goals)
    made_by, needs, todo = producers(config), {}, list(goals)
    for address in todo:  # grows as it is walked
        if address in needs:
            continue
        files = reads(config, address)
        for place, path in files.items():
            if path == pretrained.METRIC_FOLDER:
                path.mkdir(exist_ok=True)  # which git keeps, empty
            if path not in made_by and not (path.is_file() or path.is_dir()):
                raise InputError(f"params.yaml: {place}: {path} is not there; expected a video or a folder of images")
        needs[address] = sorted({made_by[path] for path in files.values() if path in made_by})
        todo += needs[address]
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise InputError(f"params.yaml: each waits for the next: {', '.join(error.args[1])}") from None
    order = {}

    def add(address: str) -> None:
        if address in order:
            return
        for needed in needs[address]:
            add(needed)
        order[address] = needs[address]

    for goal in goals:
        add(goal)
    _agreed(config, order)
    return order


def _agreed(config: Params, addresses: Iterable[str]) -> None:
    """InputError where something would be made of a subject who has not agreed: masks, a background, a likeness."""
    for name in dict.fromkeys(key for stage, key in map(split, addresses) if layout.KINDS[stage] == "subjects"):
        config.subjects[name].require_consent(name)


def transfer(config: Params, target: str, source: str, key: str | None = None) -> str:
    """The key of the transfer of `source`'s motion to `target`; `key` chooses where there are several."""
    keys = [name for name, entry in config.transfers.items() if (entry.target, entry.source) == (target, source)]
    if key in keys or (key is None and len(keys) == 1):
        return key or keys[0]
    if keys:
        wrong = f"`{key}` is not one of them" if key else "choose one with --as"
        raise InputError(f"params.yaml: {target} from {source} are {', '.join(keys)}; {wrong}")
    known = _unknown("subjects", target, config.subjects) + _unknown("videos", source, config.videos)
    lines = _entries(config, target, source, key)
    raise InputError(f"params.yaml: {known}nobody transfers from `{source}` to `{target}`. Add:\n{lines}")


def _unknown(block: str, name: str, names: Iterable[str]) -> str:
    """A line of the names that there are, the nearest first, where this is none of them; else nothing."""
    if name in names:
        return ""
    names = list(names)
    near = get_close_matches(name, names, len(names) or 1, cutoff=0)
    guess = f"did you mean `{near[0]}`? There" if get_close_matches(name, names, 1) else "there"
    more = f" and {len(near) - TOLD} more" if len(near) > TOLD else ""
    return f"no `{name}` in `{block}`; {guess} are {', '.join(near[:TOLD]) or 'none'}{more}\n"


def _entries(config: Params, target: str, source: str, key: str | None) -> str:
    """The lines of params.yaml that a new transfer needs."""
    preset, lines = next(iter(config.presets)), []
    people = [name for name in dict.fromkeys((target, source)) if name not in config.videos]
    if people:
        lines += ["videos:", *(f"  {name}: {{file: clips/{name}.mp4, preset: {preset}}}" for name in people)]
    if target not in config.subjects:
        lines += ["subjects:", f'  {target}: {{preset: {preset}, consent: {EXAMPLE}}}']
    truth = config.videos[source].file if source in config.videos else f"clips/{source}.mp4"
    name = key or f"{target}_from_{source}"
    lines += ["transfers:", f"  {name}: {{target: {target}, source: {source}, preset: {preset}, truth: {truth}}}"]
    return "\n".join(lines)
