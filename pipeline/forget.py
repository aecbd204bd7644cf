"""Deletes everything that was made from a person's video, in all versions, on this machine and in DVC's remotes.

The artifacts of a person are those in the folders of their keys, and everything that was made from those. They are
found in DVC's records of its runs: the run cache on this machine and in the remotes, and dvc.lock, now and in git's
history. The files are deleted, unless an artifact of another person has the same bytes. The records are deleted last,
so that an interrupted `forget` finds the same files again."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import git
from pipeline.datasets import params_editor
from pipeline.dvc_backend import dvc_client
from pipeline.dvc_backend.storage import Store, exclusive_access, open_stores
from pipeline.file_lock import try_lock
from pipeline.inspect import format_table
from pipeline.paper_tables import experiments
from pipeline.studio import uploads
from stages import InputError, layout, params, safe_yaml
from stages.media.files import human_size, md5, remove
from stages.params import Params

SHARED_KEYS = ("samples", layout.TABLES.name)  # folders of artifacts that belong to no person
SHARED_FOLDERS = (layout.EXPERIMENTS, uploads.SERVED)  # copies of files of all people; created again when needed
RunRecord = dict  # of one run of a stage: `deps` and `outs`, each with `path` and `md5`


@dataclass
class Traces:
    """Everything that exists of a person. `keys`: of their video and of all transfers with it."""

    keys: set[str]
    entries: dict[str, list[str]]  # in params.yaml: {block: names}
    files: list[Path]              # artifacts, resume states, scores
    duplicates: list[str]          # other videos, made from the same file
    objects: dict[str, set[str]] = field(default_factory=dict)  # {store: checksums}
    runs: dict[str, list[str]] = field(default_factory=dict)    # {store: entries of its run cache}


def find_traces(config: Params, name: str, stores: list[Store]) -> Traces:
    """Everything that exists of the video `name` in the project and in the stores. Raises InputError if there is
    nothing."""
    run_cache = {store.name: dict(store.runs()) for store in stores}
    records = [*_local_records(), *(record for runs in run_cache.values() for record in runs.values())]
    named = _keys_about(config, name) if re.fullmatch(layout.NAME, name) and name not in SHARED_KEYS else set()
    keys = _with_derived(named, records)
    found = Traces(keys, _entries(config, named), _files(config, keys), _same_file(config, name, records, keys))
    mine = _checksums(records, keys, True) | {md5(file) for key in keys for file in _files_in(layout.ROOT / key)}
    others = _checksums(records, keys, False)
    for store in stores:
        to_delete = store.with_folder_contents(mine) - store.with_folder_contents(others)
        found.objects[store.name] = set(store.existing(to_delete))
        found.runs[store.name] = [run for run, record in run_cache[store.name].items() if _keys_of(record["outs"]) & keys]
    if not (found.files or any(found.entries.values()) or any(found.objects.values()) or any(found.runs.values())):
        raise InputError(f"unknown video `{name}`: it is not in params.yaml, {layout.ROOT}/ or DVC's caches")
    found.files += [path for path in SHARED_FOLDERS if path.exists()]
    return found


def forget(config: Params, name: str, sure: bool) -> str:
    """Deletes everything of a person, after asking for confirmation unless `sure`. Returns a text: what was deleted, if
    it differs from the list that was shown for confirmation, and what could not be deleted."""
    shown = ""
    if not sure:
        with _no_other_program(), open_stores() as stores:
            print(shown := _find(config, name, stores)[1])
        _confirm(name)  # may take hours, so nothing is locked meanwhile
        config = params.load()
    with _no_other_program(), open_stores() as stores:
        found, text = _find(config, name, stores)
        with exclusive_access(layout.ROOT / key for key in found.keys):
            for store in reversed(stores):  # remotes first: the cache has the lists of folders
                store.remove(found.objects[store.name])
            for file in found.files:
                remove(file)
            for store in reversed(stores):
                store.remove_runs(found.runs[store.name])
    dvc_client.remove_states(sorted(found.keys))
    params_editor.remove(found.entries)
    return f"{'' if text == shown else text}\nremoved. {_not_removed(config, name)}".lstrip()


def _find(config: Params, name: str, stores: list[Store]) -> tuple[Traces, str]:
    """Everything that exists of a person now, and a table of it. Raises InputError if their entries cannot be removed
    from params.yaml."""
    found = find_traces(config, name, stores)
    params_editor.text_without(found.entries)  # raises the error before anything is deleted
    return found, format_traces(name, found, stores)


@contextmanager
def _no_other_program() -> Iterator[None]:
    """Prevents `table` and the studio, which keep their own copies, from starting. Raises InputError if one is
    running."""
    with ExitStack() as stack:
        for path in (experiments.LOCK, experiments.RUNNING_LOCK, uploads.LOCK):
            if path.exists() and not try_lock(stack.enter_context(path.open("a", encoding="utf-8"))):
                program = "the studio" if path == uploads.LOCK else "`table`"
                raise InputError(f"{program} is running in this folder; stop it and its runs first")
        yield


def _confirm(name: str) -> None:
    """Asks the user to type the name. Raises InputError otherwise."""
    try:
        answer = input(f"remove all of this? Type {name}: ")
    except EOFError:
        raise InputError("\nno answer: nothing was removed; --yes removes without a question") from None
    if answer != name:
        raise InputError("nothing was removed")


def format_traces(name: str, found: Traces, stores: list[Store]) -> str:
    """A table of what exists."""
    files = [file for path in found.files for file in _files_in(path)]
    rows = [("artifacts, resume states", str(len(files)), human_size(sum(file.stat().st_size for file in files)),
             "\n".join(dict.fromkeys(map(_display_path, found.files))) or "-")]
    for store in stores:
        objects, runs = found.objects[store.name], found.runs[store.name]
        rows.append((store.name, str(len(objects) + len(runs)), human_size(store.size(objects)),
                     f"{len(objects)} files, {len(runs)} run cache entries"))
    names = [f"{block}.{one}" for block, ones in found.entries.items() for one in ones]
    rows.append(("params.yaml", str(len(names)), "", ", ".join(names) or "-"))
    text = f"found of {name}:\n" + format_table(("where", "count", "size", "what"), rows)
    if found.duplicates:
        text += (f"\n{', '.join(found.duplicates)}: made from the same file, and not removed with {name}; if this is the "
                 "same person, forget each of them too")
    return text


def _display_path(path: Path) -> str:
    """The path. Small files that every stage of a key has are shown as one pattern."""
    small = path.parent in (layout.cost("any", "key").parent, layout.sheet("any").parent)
    return f"{path.parent}/*@{path.name.partition('@')[2]}" if small else str(path)


def _not_removed(config: Params, name: str) -> str:
    """A sentence that lists what this program does not delete."""
    left = [config.videos[name].file] if name in config.videos else []
    left = [f"{file} itself" for file in left if Path(file).exists()]
    lines = [str(number) for number, line in enumerate(Path("params.yaml").read_text(encoding="utf-8").splitlines(), 1)
             if re.search(rf"\b{name}\b", line)]
    left += [f"the name in params.yaml, line {', '.join(lines)}"] if lines else []
    left += ["the name in git's history, in DVC's database of checksums and on Prefect's server",
             "backups, and old versions in a bucket",
             "files on other machines: run the same command there"]
    return f"Not removed: {'; '.join(left)}. Nor are results that you gave to others."


def _local_records() -> Iterator[RunRecord]:
    """The records of runs in dvc.lock and its state files, now and in every commit."""
    for file in layout.STATES.glob("[!.]*.json"):
        try:
            yield json.loads(file.read_text(encoding="utf-8"))
        except ValueError:  # cut off by a crash
            continue
    lock = Path("dvc.lock")
    texts = [lock.read_text(encoding="utf-8")] if lock.exists() else []
    commits = git.run("rev-list", "--all", "--", "dvc.lock", check=False).split()
    for text in (*texts, *(git.run("show", f"{commit}:./dvc.lock", check=False) for commit in commits)):
        yield from (safe_yaml.parse(text, "dvc.lock") or {}).get("stages", {}).values()


def _keys_of(files: Iterable[dict]) -> set[str]:
    """The keys in whose folders these artifacts are."""
    paths = [Path(file["path"]).parts for file in files]
    keys = {path[1] for path in paths if len(path) > 2 and path[0] == layout.ROOT.name and path[1] not in SHARED_KEYS}
    return {key for key in keys if re.fullmatch(layout.NAME, key)}  # keys from a remote become folders to delete


def _keys_about(config: Params, name: str) -> set[str]:
    """The keys of params.yaml that belong to a video: its own, those of transfers with it, and those of videos that are
    results of these transfers."""
    keys = {name}
    while more := {
        *(key for key, one in config.transfers.items() if {one.target, one.source} & keys),
        *(key for key, one in config.videos.items() if _keys_of([{"path": one.file}]) & keys),
    } - keys:
        keys |= more
    return keys


def _with_derived(keys: set[str], records: list[RunRecord]) -> set[str]:
    """These keys, and the keys of all that was made from their artifacts."""
    while more := set().union(*(_keys_of(one["outs"]) for one in records if _keys_of(one.get("deps", [])) & keys)) - keys:
        keys = keys | more
    return keys


def _checksums(records: list[RunRecord], keys: set[str], inside: bool) -> set[str]:
    """The checksums of recorded files that are in the folders of these keys (`inside`), or outside of them."""
    files = [file for record in records for file in (*record["outs"], *record.get("deps", [])) if file.get("md5")]
    return {file["md5"] for file in files if bool(_keys_of([file]) & keys) == inside}


def _same_file(config: Params, name: str, records: list[RunRecord], keys: set[str]) -> list[str]:
    """Other videos that were made from the same file as `name`, by its path in params.yaml or by its recorded checksum.
    """
    files, code = {key: {one.file} for key, one in config.videos.items()}, ("stages/", f"{layout.DIGESTS}/")
    for record in records:
        for key in _keys_of(file for file in record["outs"] if file["path"].endswith("/frames.mkv")):
            videos = [file for file in record.get("deps", []) if not file["path"].startswith(code)]
            files.setdefault(key, set()).update(file["md5"] for file in videos if file.get("md5"))
    return sorted(key for key, these in files.items() if key not in keys and these & files.get(name, set()))


def _entries(config: Params, keys: set[str]) -> dict[str, list[str]]:
    """The entries of params.yaml with these keys, by block. Entries that name others come first."""
    blocks = ("transfers", "subjects", "videos")
    return {block: [key for key in getattr(config, block) if key in keys] for block in blocks}


def _files_in(path: Path) -> list[Path]:
    """The files in a folder, or the file itself."""
    return [file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def _files(config: Params, keys: set[str]) -> list[Path]:
    """Existing artifacts, scores in tables, resume states of trainings, and uploads to the studio of these keys."""
    found = [layout.ROOT / key for key in keys]
    others = tuple(f"_{target}_{source}" for target in config.subjects for source in config.videos
                   if not {target, source} & keys)
    for key in keys:
        found += layout.TABLES.glob(f"experiments/*/{key}.*")
        tables = [*layout.TABLES.glob(f"table_*_{key}_*"), *layout.TABLES.glob(f"table_*_{key}.*")]
        found += [file for file in tables if not file.stem.endswith(others)]
        found += layout.resume_files(f"*@{key}")
        found += [*layout.CHECKPOINTS.glob(f"costs/*@{key}.json"), *layout.CHECKPOINTS.glob(f"sheets/*@{key}.png")]
        found += [uploads.VIDEOS / key, *uploads.VIDEOS.glob(f"{key}.*")]
    return sorted({path for path in found if path.exists()})
