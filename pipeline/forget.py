"""A person is removed: what was made from their video, in every version that DVC knows of, here and in the remotes.

What belongs to a person is what was written into the folder of their artifacts, and everything that was made from that:
DVC's notes of what it ran (its run-cache, here and in the remotes, dvc.lock now and in git's history) say which. Their
content goes, except where another person's artifact has the very same bytes. The notes go last: `forget` that was
interrupted finds the same again.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.datasets import params_editor
from pipeline.dvc_backend import dvc_client
from pipeline.dvc_backend.storage import Store, alone, stores
from pipeline.inspect import table
from pipeline.paper_tables import experiments
from pipeline.studio import uploads
from stages import InputError, layout, params, safe_yaml
from stages.media.files import human_size, md5, remove
from stages.params import Params

APART = ("samples", layout.TABLES.name)  # folders of artifacts that are nobody's
EVERYBODY = (layout.EXPERIMENTS, uploads.SHOWN)  # the tables' clone, copies for the studio's page: both are made anew
Note = dict  # of one run of a stage: `deps` and `outs`, each with `path` and `md5`


@dataclass
class Traces:
    """What there is of a person. `folders`: the keys of their video and of all transfers with it."""

    folders: set[str]
    entries: dict[str, list[str]]  # of params.yaml: block, names
    files: list[Path]              # artifacts, resume states, scores
    twins: list[str]               # other videos, made of the same file
    objects: dict[str, set[str]] = field(default_factory=dict)  # store: checksums
    runs: dict[str, list[str]] = field(default_factory=dict)    # store: notes


def traces(config: Params, name: str, places: list[Store]) -> Traces:
    """Of the video `name`. Raises InputError where there are none."""
    here = list(_here())
    noted = {place.name: dict(place.runs()) for place in places}
    notes = [*here, *(note for runs in noted.values() for note in runs.values())]
    concerned = _concerned(config, name) if re.fullmatch(layout.NAME, name) and name not in APART else set()
    folders = _made_from(concerned, notes)
    found = Traces(folders, _entries(config, concerned), _files(config, folders), _twins(config, name, notes, folders))
    mine = _checksums(notes, folders, True) | {md5(file) for key in folders for file in _below(layout.ROOT / key)}
    others = _checksums(notes, folders, False)
    for place in places:
        doomed = place.whole(mine) - place.whole(others)
        found.objects[place.name] = set(place.has(doomed))
        found.runs[place.name] = [run for run, note in noted[place.name].items() if _keys(note["outs"]) & folders]
    if not (found.files or any(found.entries.values()) or any(found.objects.values()) or any(found.runs.values())):
        raise InputError(f"nobody is called `{name}`: no video of params.yaml, and nothing in {layout.ROOT}/ or in DVC's caches")
    found.files += [path for path in EVERYBODY if path.exists()]
    return found


def forget(config: Params, name: str, sure: bool) -> str:
    """Removes all of a person that is there after a question, which `sure` saves; what was removed, where that is not
    what was asked about, and what could not be reached."""
    shown = ""
    if not sure:
        with _at_rest(), stores() as places:
            print(shown := _look(config, name, places)[1])
        _ask(name)  # which may take hours, in which others work
        config = params.load()
    with _at_rest(), stores() as places:
        found, told = _look(config, name, places)
        with alone(layout.ROOT / key for key in found.folders):
            for place in reversed(places):  # the remotes before the cache, which says what they have
                place.remove(found.objects[place.name])
            for file in found.files:
                remove(file)
            for place in reversed(places):
                place.remove_runs(found.runs[place.name])
    dvc_client.drop(sorted(found.folders))
    params_editor.remove(found.entries)
    return f"{'' if told == shown else told}\nremoved. {_out_of_reach(config, name)}".lstrip()


def _look(config: Params, name: str, places: list[Store]) -> tuple[Traces, str]:
    """What there is of a person by now, and a table of it. InputError where params.yaml could not be rid of it."""
    found = traces(config, name, places)
    params_editor.without(found.entries)  # refuses before anything is gone what it would afterwards
    return found, told_of(name, found, places)


@contextmanager
def _at_rest() -> Iterator[None]:
    """While neither the tables' clone nor the studio is at work, who keep copies of their own; InputError where one
    is."""
    with ExitStack() as stack:
        for path in (experiments.LOCK, experiments.RUNNING, uploads.LOCK):
            if path.exists() and dvc_client.held(stack.enter_context(path.open("a", encoding="utf-8"))):
                who = "the studio" if path == uploads.LOCK else "`table`"
                raise InputError(f"{who} is at work in this folder; end it, and what it runs, first")
        yield


def _ask(name: str) -> None:
    try:
        answer = input(f"remove all of it? Type {name}: ")
    except EOFError:
        raise InputError("\nnobody answers: nothing was removed; --yes removes without a question") from None
    if answer != name:
        raise InputError("nothing was removed")


def told_of(name: str, found: Traces, places: list[Store]) -> str:
    """A table of it all."""
    files = [file for path in found.files for file in _below(path)]
    rows = [("artifacts, resume states", str(len(files)), human_size(sum(file.stat().st_size for file in files)),
             "\n".join(dict.fromkeys(map(_shown, found.files))) or "-")]
    for place in places:
        objects, runs = found.objects[place.name], found.runs[place.name]
        rows.append((place.name, str(len(objects) + len(runs)), human_size(place.size(objects)),
                     f"{len(objects)} files, {len(runs)} notes of runs"))
    names = [f"{block}.{one}" for block, ones in found.entries.items() for one in ones]
    rows.append(("params.yaml", str(len(names)), "", ", ".join(names) or "-"))
    told = f"what there is of {name}:\n" + table(("where", "count", "size", "what"), rows)
    if found.twins:
        told += (f"\n{', '.join(found.twins)}: made of the same file, and not removed with {name}; where that is the "
                 "same person, forget each of them too")
    return told


def _shown(path: Path) -> str:
    """Of the small files that each stage of a key has, all as one."""
    small = path.parent in (layout.cost("any", "key").parent, layout.sheet("any").parent)
    return f"{path.parent}/*@{path.name.partition('@')[2]}" if small else str(path)


def _out_of_reach(config: Params, name: str) -> str:
    """What is left, when all else has gone."""
    left = [config.videos[name].file] if name in config.videos else []
    left = [f"{file} itself" for file in left if Path(file).exists()]
    lines = [str(number) for number, line in enumerate(Path("params.yaml").read_text(encoding="utf-8").splitlines(), 1)
             if re.search(rf"\b{name}\b", line)]
    left += [f"what params.yaml still says in line {', '.join(lines)}"] if lines else []
    left += [f"what git's history, DVC's database of checksums and Prefect's server say of {name}",
             "backups, and older versions that a bucket keeps",
             "what other machines hold: run the same command there"]
    return (f"Not removed, because they are not this program's: {'; '.join(left)}. Results that you gave to others are "
            "theirs.")


def _here() -> Iterator[Note]:
    """What dvc.lock and its parts say, now and in every commit."""
    for file in layout.STATES.glob("[!.]*.json"):
        try:
            yield json.loads(file.read_text(encoding="utf-8"))
        except ValueError:  # a disk has lost its end
            continue
    lock = Path("dvc.lock")
    texts = [lock.read_text(encoding="utf-8")] if lock.exists() else []
    commits = _git("rev-list", "--all", "--", "dvc.lock").split()
    for text in (*texts, *(_git("show", f"{commit}:./dvc.lock") for commit in commits)):
        yield from (safe_yaml.parse(text, "dvc.lock") or {}).get("stages", {}).values()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8").stdout


def _keys(files: Iterable[dict]) -> set[str]:
    """The folders of artifacts that files lie in."""
    paths = [Path(file["path"]).parts for file in files]
    keys = {path[1] for path in paths if len(path) > 2 and path[0] == layout.ROOT.name and path[1] not in APART}
    return {key for key in keys if re.fullmatch(layout.NAME, key)}  # what a remote says becomes a folder to remove


def _concerned(config: Params, name: str) -> set[str]:
    """The keys of params.yaml that are about a video: itself, transfers with it, and videos that are their results."""
    keys = {name}
    while more := {
        *(key for key, one in config.transfers.items() if {one.target, one.source} & keys),
        *(key for key, one in config.videos.items() if _keys([{"path": one.file}]) & keys),
    } - keys:
        keys |= more
    return keys


def _made_from(folders: set[str], notes: list[Note]) -> set[str]:
    """With the folders of all that was made from what lies in these."""
    while more := set().union(*(_keys(note["outs"]) for note in notes if _keys(note.get("deps", [])) & folders)) - folders:
        folders = folders | more
    return folders


def _checksums(notes: list[Note], folders: set[str], inside: bool) -> set[str]:
    """Of the files that notes tell of, in these folders or outside of them."""
    files = [file for note in notes for file in (*note["outs"], *note.get("deps", [])) if file.get("md5")]
    return {file["md5"] for file in files if bool(_keys([file]) & folders) == inside}


def _twins(config: Params, name: str, notes: list[Note], folders: set[str]) -> list[str]:
    """Other videos of the file that `name` was made of, by its place in params.yaml and by DVC's checksums of it."""
    files = {key: {one.file} for key, one in config.videos.items()}
    for note in notes:
        for key in _keys(file for file in note["outs"] if file["path"].endswith("/frames.mkv")):
            deps = [file for file in note.get("deps", []) if not file["path"].startswith(("stages/", f"{layout.DIGESTS}/"))]
            files.setdefault(key, set()).update(file["md5"] for file in deps if file.get("md5"))
    return sorted(key for key, these in files.items() if key not in folders and these & files.get(name, set()))


def _entries(config: Params, keys: set[str]) -> dict[str, list[str]]:
    blocks = ("transfers", "subjects", "videos")  # those first that name others
    return {block: [key for key in getattr(config, block) if key in keys] for block in blocks}


def _below(path: Path) -> list[Path]:
    """The files of a folder, or the file itself."""
    return [file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def _files(config: Params, folders: set[str]) -> list[Path]:
    """Artifacts, scores in tables, what trainings go on from, what was dropped into the studio."""
    found = [layout.ROOT / key for key in folders]
    others = tuple(f"_{target}_{source}" for target in config.subjects for source in config.videos
                   if not {target, source} & folders)
    for key in folders:
        found += layout.TABLES.glob(f"experiments/*/{key}.*")
        tables = [*layout.TABLES.glob(f"table_*_{key}_*"), *layout.TABLES.glob(f"table_*_{key}.*")]
        found += [file for file in tables if not file.stem.endswith(others)]
        found += layout.resume_files(f"*@{key}")
        found += [*layout.CHECKPOINTS.glob(f"costs/*@{key}.json"), *layout.CHECKPOINTS.glob(f"sheets/*@{key}.png")]
        found += [uploads.VIDEOS / key, *uploads.VIDEOS.glob(f"{key}.*")]
    return sorted({path for path in found if path.exists()})
