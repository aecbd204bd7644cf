"""Runs DVC with one state file per stage instead of a single dvc.lock. Needed for hundreds of subjects only.

DVC parses dvc.lock before every stage and rewrites it afterwards. With 300 subjects the file has 20 MB, and this takes
minutes per stage. Nothing else of DVC is replaced. dvc.lock still exists for git and for the user's own `dvc`: changes
to it are loaded first, and `merge` writes the new states into it. With FAKEMOTION_SPLIT_LOCK=0 in the environment,
plain `dvc` runs instead (see dvc_client.py); dvc.lock is the same in both cases.

`python -m pipeline.dvc_backend.split_lock ARGUMENTS` is `dvc ARGUMENTS` with three additional commands, which print a
list as JSON:

  pending ADDRESS ...   the stages among these that are not up to date
  merge                 brings dvc.lock up to date
  remove KEY ...        removes the states of all stages of these keys
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

from dvc import cli
from dvc.dependency import ParamsDependency
from dvc.dvcfile import LOCK_FILE, PROJECT_FILE, Lockfile, ProjectFile
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_lockfile
from dvc.ui import ui
from dvc.utils.serialize import dumps_yaml, load_yaml

from stages import layout
from stages.media.files import atomic_write

STATES_FOLDER = layout.STATES
KNOWN_LOCK = STATES_FOLDER / "seen"  # the version of dvc.lock that was last loaded or written
NEW_STATES = STATES_FOLDER / "new"   # an empty file for every stage whose state is not in dvc.lock yet


class States:
    """The recorded state of each stage, by address. Implements the methods of a dict that DVC calls on the content of
    dvc.lock."""

    def get(self, address: str, default: dict | None = None) -> dict | None:
        try:
            return json.loads(layout.state(address).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # after a crash a file may be cut off; DVC then uses its run cache
            return default

    def __contains__(self, address: str) -> bool:
        return self.get(address) is not None

    @staticmethod
    def write(address: str, state: dict) -> None:
        with atomic_write(layout.state(address)) as file:
            file.write_text(json.dumps(state), encoding="utf-8")


class SplitLock(Lockfile):
    """Replaces DVC's lock file object."""

    def load(self, **_) -> dict:
        return {"stages": States()}

    def dump_stages(self, stages: list[PipelineStage], **options) -> None:
        for stage in stages:
            ui.write(f"Updating lock file of {stage.name}")
            NEW_STATES.mkdir(parents=True, exist_ok=True)
            (NEW_STATES / stage.name).touch()
            States.write(stage.name, to_lockfile(stage, **options)[stage.name])


def pending(repo: Repo, *addresses: str) -> list[str]:
    """The stages among these that DVC would run now."""
    merge(repo)  # states of a killed flow that are not in dvc.lock yet
    stages, known = ProjectFile(repo, PROJECT_FILE).stages, {}
    return [address for address in addresses if is_changed(stages[address], known)]


def is_changed(stage: PipelineStage, known: dict) -> bool:
    """DVC's own check before it runs a stage, except that a file that many stages depend on is hashed once. `known`:
    the values of the dependencies checked so far, by path."""
    return stage.changed_stage() or any(_dependency_changed(dep, known) for dep in stage.deps) or any(
        out.status() for out in stage.outs)


def _dependency_changed(dep: Output, known: dict) -> bool:
    path = dep.fs_path
    if isinstance(dep, ParamsDependency):
        if path not in known:
            known[path] = load_yaml(path)
        return {name: _value_at(known[path], name) for name in dep.params} != dep.hash_info.value
    if path not in known:
        known[path] = dep.get_hash() if dep.exists else None
    return not dep.hash_info or dep.hash_info != known[path]


def _value_at(content: dict, place: str):
    """The value at a dotted place, as DVC finds it but without a walk through all of params.yaml for each place."""
    for name in place.split("."):
        if not isinstance(content, dict) or name not in content:
            return ...  # differs from every recorded value
        content = content[name]
    return content


def split(repo: Repo) -> None:
    """Loads dvc.lock into the state files if it has changed since the last time: git or the user's own `dvc` wrote it.
    """
    version = _lock_version()
    if not _lock_is_known():
        locked = Lockfile(repo, LOCK_FILE).load().get("stages", {})
        if incomplete := [address for address, state in locked.items() if not _is_complete(state)]:
            locked = {address: state for address, state in locked.items() if address not in incomplete}
            _filter_lock(lambda address: address in locked)
            version = _lock_version()
        for address, state in locked.items():
            if not (NEW_STATES / address).exists():  # otherwise our state is newer
                States.write(address, state)
        for file in STATES_FOLDER.glob("[!.]*.json"):
            if locked and file.stem not in locked and not (NEW_STATES / file.stem).exists():
                file.unlink()
        _remember_lock(version)


def merge(repo: Repo) -> list[str]:
    """Writes the new states into dvc.lock, in DVC's format. The text of the other stages stays as it is."""
    lock, new = Path(LOCK_FILE), sorted(file.name for file in NEW_STATES.glob("*"))
    head, *blocks = re.split(r"(?m)^(?=  \S)", lock.read_text(encoding="utf-8") if lock.exists() else "")
    if not blocks:
        head, new = "schema: '2.0'\nstages:\n", sorted(file.stem for file in STATES_FOLDER.glob("[!.]*.json"))
    entries = {block.strip().partition(":")[0]: block for block in blocks}
    for address in new:
        if state := States().get(address):  # missing if DVC was killed before it wrote it
            entries[address] = indent(dumps_yaml({address: state}), "  ")
    if new:
        with atomic_write(lock) as file:
            file.write_text(head + "".join(entries.values()), encoding="utf-8")
        _remember_lock(_lock_version())
    for address in new:
        (NEW_STATES / address).unlink(missing_ok=True)
    return new


def remove(repo: Repo, *keys: str) -> list[str]:
    """Removes the states of these keys, also from dvc.lock. Stages `samples@...` stay: their keys are another
    namespace."""
    merge(repo)

    def is_of_keys(address: str) -> bool:
        return address.partition("@")[2] in keys and not address.startswith("samples@")

    gone = [file for file in STATES_FOLDER.glob("[!.]*.json") if is_of_keys(file.stem)]
    if Path(LOCK_FILE).exists():
        _filter_lock(lambda address: not is_of_keys(address))
    for file in gone:
        file.unlink()
    _remember_lock(_lock_version())
    return [file.stem for file in gone]


def _is_complete(state) -> bool:
    """Whether the entry of a stage in dvc.lock has every checksum. After a kill it may be cut off."""
    files = [file for name in ("deps", "outs") for file in (state or {}).get(name) or []]
    return all(isinstance(file, dict) and file.get("md5") for file in files)


def _filter_lock(kept: Callable[[str], bool]) -> None:
    """Removes the other stages from dvc.lock."""
    head, *blocks = re.split(r"(?m)^(?=  \S)", Path(LOCK_FILE).read_text(encoding="utf-8"))
    left = [block for block in blocks if kept(block.strip().partition(":")[0])]
    with atomic_write(Path(LOCK_FILE)) as file:
        file.write_text(head + "".join(left) if left else "schema: '2.0'\nstages: {}\n", encoding="utf-8")


def _lock_is_known() -> bool:
    return _lock_version() == (KNOWN_LOCK.read_text(encoding="utf-8") if KNOWN_LOCK.exists() else "")


def _lock_version() -> str:
    lock = Path(LOCK_FILE)
    return f"{lock.stat().st_mtime_ns} {lock.stat().st_size}" if lock.exists() else ""


def _remember_lock(version: str) -> None:
    with atomic_write(KNOWN_LOCK) as file:
        file.write_text(version, encoding="utf-8")


def main(arguments: list[str]) -> int:
    ProjectFile._lockfile = property(lambda file: SplitLock(file.repo, LOCK_FILE))
    commands = {"pending": pending, "merge": merge, "remove": remove}
    if arguments[0] in commands or not _lock_is_known():
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            split(repo)
            if arguments[0] in commands:
                print(json.dumps(commands[arguments[0]](repo, *arguments[1:])))
                return 0
    return cli.main(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DvcException as error:
        sys.exit(str(error))
