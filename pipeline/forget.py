"""A person is removed: what was made from their video, in every version that DVC knows of, here and in the remotes.

What belongs to a person is what was written into the folder of their artifacts, and everything that was made from that:
DVC's notes of what it ran (its run-cache, here and in the remotes, dvc.lock now and in git's history) say which. Their
content goes, except where another person's artifact has the very same bytes. The notes go last: `forget` that was
interrupted finds the same again.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import dvc, entries, uploads
from pipeline.artifacts import size, table
from pipeline.stores import Store, stores
from stages import InputError, documents, layout
from stages.media.files import remove
from stages.params import Params

APART = ("samples", layout.TABLES.name)  # folders of artifacts that are nobody's
Note = dict  # of one run of a stage: `deps` and `outs`, each with `path` and `md5`


@dataclass
class Traces:
    """What there is of a person. `folders`: the keys of their video and of all transfers with it."""

    folders: set[str]
    entries: dict[str, list[str]]  # of params.yaml: block, names
    files: list[Path]              # artifacts, resume states, scores
    objects: dict[str, set[str]] = field(default_factory=dict)  # store: checksums
    runs: dict[str, list[str]] = field(default_factory=dict)    # store: notes


def traces(config: Params, name: str, places: list[Store]) -> Traces:
    """Of the video `name`. Raises InputError where there are none."""
    here = list(_here())
    noted = {place.name: dict(place.runs()) for place in places}
    notes = [*here, *(note for runs in noted.values() for note in runs.values())]
    folders = _made_from({name} | {key for key, one in config.transfers.items() if name in (one.target, one.source)}, notes)
    found = Traces(folders, _entries(config, name, folders), _files(folders))
    mine, others = _checksums(notes, folders, True), _checksums(notes, folders, False)
    for place in places:
        doomed = place.whole(mine) - place.whole(others)
        found.objects[place.name] = set(place.has(doomed))
        found.runs[place.name] = [run for run, note in noted[place.name].items() if _keys(note["outs"]) & folders]
    if not (found.files or any(found.entries.values()) or any(found.objects.values()) or any(found.runs.values())):
        raise InputError(f"nobody is called `{name}`: no video of params.yaml, and nothing in {layout.ROOT}/ or in DVC's caches")
    return found


def forget(config: Params, name: str, sure: bool) -> str:
    """Removes all of a person, after a question unless `sure`; what was removed, and what could not be reached."""
    with stores() as places:
        found = traces(config, name, places)
        told = told_of(name, found, places)
        if not sure:
            print(told)
            if input(f"remove all of it? Type {name}: ") != name:
                raise InputError("nothing was removed")
        for place in reversed(places):  # the remotes before the cache, which says what they have
            place.remove(found.objects[place.name])
        for file in found.files:
            remove(file)
        for place in reversed(places):
            place.remove_runs(found.runs[place.name])
    dvc.drop(sorted(found.folders))
    entries.remove(found.entries)
    return f"{told if sure else ''}\nremoved. {_out_of_reach(config, name)}".lstrip()


def told_of(name: str, found: Traces, places: list[Store]) -> str:
    """A table of it all."""
    files = [file for path in found.files for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    rows = [("artifacts, resume states", str(len(files)), size(sum(file.stat().st_size for file in files)),
             "\n".join(map(str, found.files)) or "-")]
    for place in places:
        objects, runs = found.objects[place.name], found.runs[place.name]
        rows.append((place.name, str(len(objects) + len(runs)), size(place.size(objects)),
                     f"{len(objects)} files, {len(runs)} notes of runs"))
    names = [f"{block}.{one}" for block, ones in found.entries.items() for one in ones]
    rows.append(("params.yaml", str(len(names)), "", ", ".join(names) or "-"))
    return f"what there is of {name}:\n" + table(("where", "count", "size", "what"), rows)


def _out_of_reach(config: Params, name: str) -> str:
    video = config.videos[name].file if name in config.videos else "the video"
    return (f"Not removed, because they are not this program's: {video} itself; what git's history says of {name}; what other "
            "machines hold: run the same command there. Results that you gave to others are theirs.")


def _here() -> Iterator[Note]:
    """What dvc.lock and its parts say, now and in every commit."""
    for file in layout.STATES.glob("[!.]*.json"):
        try:
            yield json.loads(file.read_text())
        except ValueError:  # a disk has lost its end
            continue
    lock = Path("dvc.lock")
    texts = [lock.read_text()] if lock.exists() else []
    commits = _git("rev-list", "--all", "--", "dvc.lock").split()
    for text in (*texts, *(_git("show", f"{commit}:./dvc.lock") for commit in commits)):
        yield from (documents.parse(text, "dvc.lock") or {}).get("stages", {}).values()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True).stdout


def _keys(files: Iterable[dict]) -> set[str]:
    """The folders of artifacts that files lie in."""
    paths = [Path(file["path"]).parts for file in files]
    return {path[1] for path in paths if len(path) > 2 and path[0] == layout.ROOT.name and path[1] not in APART}


def _made_from(folders: set[str], notes: list[Note]) -> set[str]:
    """With the folders of all that was made from what lies in these."""
    while more := set().union(*(_keys(note["outs"]) for note in notes if _keys(note.get("deps", [])) & folders)) - folders:
        folders = folders | more
    return folders


def _checksums(notes: list[Note], folders: set[str], inside: bool) -> set[str]:
    """Of the files that notes tell of, in these folders or outside of them."""
    files = [file for note in notes for file in (*note["outs"], *note.get("deps", [])) if file.get("md5")]
    return {file["md5"] for file in files if bool(_keys([file]) & folders) == inside}


def _entries(config: Params, name: str, folders: set[str]) -> dict[str, list[str]]:
    return {
        "transfers": [key for key in config.transfers if key in folders],
        "subjects": [name] if name in config.subjects else [],
        "videos": [name] if name in config.videos else [],
    }


def _files(folders: set[str]) -> list[Path]:
    """Artifacts, scores in tables, what trainings go on from, the tables' clone, what was dropped into the studio."""
    found = [layout.EXPERIMENTS, *(layout.ROOT / key for key in folders)]
    for key in folders:
        found += layout.TABLES.glob(f"experiments/*/{key}.*")
        found += [*layout.TABLES.glob(f"table_*_{key}_*"), *layout.TABLES.glob(f"table_*_{key}.*")]
        found += [*layout.CHECKPOINTS.glob(f"*@{key}_*"), *layout.CHECKPOINTS.glob(f"costs/*@{key}.json")]
        found += [*layout.CHECKPOINTS.glob(f"sheets/*@{key}.png"), *uploads.VIDEOS.glob(f"{key}.*")]
    return sorted({path for path in found if path.exists()})
