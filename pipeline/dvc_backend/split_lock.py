"""The dvc program with the state of every stage in a file of its own: `python -m pipeline.dvc_backend.split_lock ARGUMENTS` is
`dvc ARGUMENTS`, and the three commands below, which answer with a list as JSON.

DVC notes what it made of every stage in one dvc.lock, which it parses before a stage and rewrites after it: at 300
subjects that is 20 MB and minutes a stage. Nothing else of DVC's is replaced. dvc.lock stays what git and the user's
own `dvc` know: what others have changed in it is taken over first, and `gather` writes into it what is new.

  pending ADDRESS ...   answers those that are not up to date
  gather                brings dvc.lock up to date
  drop KEY ...          removes what is noted of all stages of these keys
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

FOLDER = layout.STATES
SEEN = FOLDER / "seen"  # which dvc.lock the files have taken in
NEW = FOLDER / "new"    # names of those that dvc.lock does not have yet


class States:
    """What DVC noted of each stage when it last ran, by address; as much of a dict as DVC asks of dvc.lock."""

    def get(self, address: str, default: dict | None = None) -> dict | None:
        try:
            return json.loads(layout.state(address).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # a disk may lose a file's end: DVC then asks its run-cache
            return default

    def __contains__(self, address: str) -> bool:
        return self.get(address) is not None

    @staticmethod
    def write(address: str, state: dict) -> None:
        with atomic_write(layout.state(address)) as file:
            file.write_text(json.dumps(state), encoding="utf-8")


class SplitLock(Lockfile):
    """Stands where DVC expects dvc.lock."""

    def load(self, **_) -> dict:
        return {"stages": States()}

    def dump_stages(self, stages: list[PipelineStage], **options) -> None:
        for stage in stages:
            ui.write(f"Updating lock file of {stage.name}")
            NEW.mkdir(parents=True, exist_ok=True)
            (NEW / stage.name).touch()
            States.write(stage.name, to_lockfile(stage, **options)[stage.name])


def pending(repo: Repo, *addresses: str) -> list[str]:
    """Those that DVC would reproduce, were it asked for them now one by one."""
    gather(repo)  # what a flow that was killed has left
    stages, known = ProjectFile(repo, PROJECT_FILE).stages, {}
    return [address for address in addresses if changed(stages[address], known)]


def changed(stage: PipelineStage, known: dict) -> bool:
    """What DVC asks before it runs a stage; but a file that many stages depend on is looked at once."""
    return stage.changed_stage() or any(_differs(dep, known) for dep in stage.deps) or any(
        out.status() for out in stage.outs)


def _differs(dep: Output, known: dict) -> bool:
    path = dep.fs_path
    if isinstance(dep, ParamsDependency):
        if path not in known:
            known[path] = load_yaml(path)
        return {name: _at(known[path], name) for name in dep.params} != dep.hash_info.value
    if path not in known:
        known[path] = dep.get_hash() if dep.exists else None
    return not dep.hash_info or dep.hash_info != known[path]


def _at(content: dict, place: str):
    """The value at a dotted place. As DVC finds it, but without a walk through all of params.yaml for each."""
    for name in place.split("."):
        if not isinstance(content, dict) or name not in content:
            return ...  # equal to nothing that was noted
        content = content[name]
    return content


def scatter(repo: Repo) -> None:
    """Takes over a dvc.lock that is not the one we last saw: it came with git, or the user's own `dvc` wrote it."""
    mark = _mark()
    if not _seen():
        locked = Lockfile(repo, LOCK_FILE).load().get("stages", {})
        if cut := [address for address, state in locked.items() if not _whole(state)]:
            locked = {address: state for address, state in locked.items() if address not in cut}
            _keep(lambda address: address in locked)
            mark = _mark()
        for address, state in locked.items():
            if not (NEW / address).exists():  # else ours is newer
                States.write(address, state)
        for file in FOLDER.glob("[!.]*.json"):
            if locked and file.stem not in locked and not (NEW / file.stem).exists():
                file.unlink()
        _see(mark)


def gather(repo: Repo) -> list[str]:
    """Writes the new states into dvc.lock, as DVC would; the other stages' text stays as it is."""
    lock, new = Path(LOCK_FILE), sorted(file.name for file in NEW.glob("*"))
    head, *blocks = re.split(r"(?m)^(?=  \S)", lock.read_text(encoding="utf-8") if lock.exists() else "")
    if not blocks:
        head, new = "schema: '2.0'\nstages:\n", sorted(file.stem for file in FOLDER.glob("[!.]*.json"))
    entries = {block.strip().partition(":")[0]: block for block in blocks}
    for address in new:
        if state := States().get(address):  # none, where DVC was killed before it wrote it
            entries[address] = indent(dumps_yaml({address: state}), "  ")
    if new:
        with atomic_write(lock) as file:
            file.write_text(head + "".join(entries.values()), encoding="utf-8")
        _see(_mark())
    for address in new:
        (NEW / address).unlink(missing_ok=True)
    return new


def drop(repo: Repo, *keys: str) -> list[str]:
    """Removes the states of these keys, and their part of dvc.lock; a sample's, which may be named alike, stay."""
    gather(repo)

    def theirs(address: str) -> bool:
        return address.partition("@")[2] in keys and not address.startswith("samples@")

    gone = [file for file in FOLDER.glob("[!.]*.json") if theirs(file.stem)]
    if Path(LOCK_FILE).exists():
        _keep(lambda address: not theirs(address))
    for file in gone:
        file.unlink()
    _see(_mark())
    return [file.stem for file in gone]


def _whole(state) -> bool:
    """Whether a stage's part of dvc.lock has every checksum; not where a kill came in between."""
    files = [file for name in ("deps", "outs") for file in (state or {}).get(name) or []]
    return all(isinstance(file, dict) and file.get("md5") for file in files)


def _keep(kept: Callable[[str], bool]) -> None:
    """Removes from dvc.lock the addresses that are not to be kept."""
    head, *blocks = re.split(r"(?m)^(?=  \S)", Path(LOCK_FILE).read_text(encoding="utf-8"))
    left = [block for block in blocks if kept(block.strip().partition(":")[0])]
    with atomic_write(Path(LOCK_FILE)) as file:
        file.write_text(head + "".join(left) if left else "schema: '2.0'\nstages: {}\n", encoding="utf-8")


def _seen() -> bool:
    return _mark() == (SEEN.read_text(encoding="utf-8") if SEEN.exists() else "")


def _mark() -> str:
    lock = Path(LOCK_FILE)
    return f"{lock.stat().st_mtime_ns} {lock.stat().st_size}" if lock.exists() else ""


def _see(mark: str) -> None:
    with atomic_write(SEEN) as file:
        file.write_text(mark, encoding="utf-8")


def main(arguments: list[str]) -> int:
    ProjectFile._lockfile = property(lambda file: SplitLock(file.repo, LOCK_FILE))
    commands = {"pending": pending, "gather": gather, "drop": drop}
    if arguments[0] in commands or not _seen():
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            scatter(repo)
            if arguments[0] in commands:
                print(json.dumps(commands[arguments[0]](repo, *arguments[1:])))
                return 0
    return cli.main(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DvcException as error:
        sys.exit(str(error))
