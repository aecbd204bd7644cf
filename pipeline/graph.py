"""The graph of stages: determines from params.yaml and stages/layout.py which stages a goal needs, and their order.

A stage of one key has an address, `stage@key`. It depends on the addresses whose outputs it reads. dvc.yaml defines the
same graph for DVC; a test compares the two."""

from collections.abc import Iterable
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from stages import InputError, layout, pretrained
from stages.consent import EXAMPLE
from stages.params import Params

TRAININGS = ("generator_training", "local_gan_training")
MAX_SUGGESTIONS = 8  # existing names in the error about an unknown one


def split(address: str) -> tuple[str, str]:
    """generator_training@ava -> generator_training, ava. Raises InputError for anything else."""
    stage, at, key = address.partition("@")
    if not (stage and at and key):
        raise InputError(f"`{address}`: expected STAGE@KEY, such as generator_training@ava")
    return stage, key


def reads(config: Params, address: str) -> dict[str, Path]:
    """Every file that a stage reads: artifacts by argument name, the user's files by their place in params.yaml, and
    the folder of metric weights."""
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
    """Every artifact, and the address of the stage that writes it."""
    return {
        path: f"{stage}@{key}"
        for stage, kind in layout.KINDS.items()
        for key in getattr(config, kind)
        for path in layout.outputs(stage, key).values()
    }


def goals(keys: Iterable[str]) -> list[str]:
    """The last stages of these transfers. pose_coverage comes first, because it shows which poses are missing before
    the trainings start."""
    return [f"{last}@{key}" for last in ("pose_coverage", "report") for key in keys]


def plan(config: Params, goals: Iterable[str]) -> dict[str, list[str]]:
    """The goals and everything that they depend on, in an order in which they can run: {address: addresses it depends
    on}. The stages that the first goal needs come first.

    Raises InputError if a file of the user is missing, a subject has no consent record, or the graph has a cycle. Every
    run starts with a plan, so these errors are raised before any stage runs."""
    goals = list(goals)
    made_by, needs, todo = producers(config), {}, list(goals)
    for address in todo:  # grows in the loop
        if address in needs:
            continue
        files = reads(config, address)
        for place, path in files.items():
            if path == pretrained.METRIC_FOLDER:
                path.mkdir(exist_ok=True)  # in git it is an empty folder
            if path not in made_by and not (path.is_file() or path.is_dir()):
                raise InputError(f"params.yaml: {place}: {path} does not exist; expected a video or a folder of images")
        needs[address] = sorted({made_by[path] for path in files.values() if path in made_by})
        todo += needs[address]
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise InputError(f"params.yaml: these stages depend on each other: {', '.join(error.args[1])}") from None
    order = {}

    def add(address: str) -> None:
        if address in order:
            return
        for needed in needs[address]:
            add(needed)
        order[address] = needs[address]

    for goal in goals:
        add(goal)
    _require_consent(config, order)
    return order


def _require_consent(config: Params, addresses: Iterable[str]) -> None:
    """Raises InputError if a stage uses a subject that has no consent record."""
    for name in dict.fromkeys(key for stage, key in map(split, addresses) if layout.KINDS[stage] == "subjects"):
        config.subjects[name].require_consent(name)


def transfer(config: Params, target: str, source: str, key: str | None = None) -> str:
    """The key of the transfer from `source` to `target`. `key` chooses one if there are several. Raises InputError if
    there is none, with the lines to add to params.yaml."""
    keys = [name for name, entry in config.transfers.items() if (entry.target, entry.source) == (target, source)]
    if key in keys or (key is None and len(keys) == 1):
        return key or keys[0]
    if keys:
        wrong = f"`{key}` is not one of them" if key else "choose one with --as"
        raise InputError(f"params.yaml: transfers from {source} to {target}: {', '.join(keys)}; {wrong}")
    known = _unknown_name("subjects", target, config.subjects) + _unknown_name("videos", source, config.videos)
    lines = _example_entries(config, target, source, key)
    raise InputError(f"params.yaml: {known}no transfer from `{source}` to `{target}`. Add:\n{lines}")


def _unknown_name(block: str, name: str, names: Iterable[str]) -> str:
    """A line with the existing names, the most similar first, if `name` is not one of them; otherwise empty."""
    if name in names:
        return ""
    names = list(names)
    near = get_close_matches(name, names, len(names) or 1, cutoff=0)
    guess = f"did you mean `{near[0]}`? There" if get_close_matches(name, names, 1) else "there"
    more = f" and {len(near) - MAX_SUGGESTIONS} more" if len(near) > MAX_SUGGESTIONS else ""
    return f"no `{name}` in `{block}`; {guess} are {', '.join(near[:MAX_SUGGESTIONS]) or 'none'}{more}\n"


def _example_entries(config: Params, target: str, source: str, key: str | None) -> str:
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
