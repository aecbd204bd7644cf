"""Where DVC keeps content: its cache and every remote. Each holds files by their checksum, and the run-cache: a note of
every run of a stage, with what went in and what came out."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages import InputError, safe_yaml


class Store:
    """A cache of DVC's. `files`, `notes`: its two databases."""

    def __init__(self, name: str, files, notes, cache: "Store | None" = None):
        self.name, self.files, self.run_cache, self.cache = name, files, notes, cache

    def runs(self) -> list[tuple[str, dict]]:
        """The path and the content of every note."""
        found, fs = [], self.run_cache.fs
        with _storage_errors(self.name):
            folder = fs.join(self.run_cache.path, "runs")
            for path in fs.find(folder) if fs.exists(folder) else []:
                with fs.open(path, "rb") as file:
                    found.append((path, safe_yaml.parse(file.read(), path)))
        return [(path, note) for path, note in found if isinstance(note, dict) and "outs" in note]

    def existing(self, checksums: set[str]) -> list[str]:
        with _storage_errors(self.name):
            return list(self.files.list_oids_exists(checksums)) if checksums else []

    def with_folder_contents(self, checksums: Iterable[str]) -> set[str]:
        """With those of what lies in folders, as far as it is known here or in the cache."""
        found = set(checksums)
        for folder in [one for one in found if one.endswith(".dir")]:
            for store in filter(None, (self, self.cache)):
                with _storage_errors(store.name):
                    path = store.files.oid_to_path(folder)
                    if store.files.fs.exists(path):
                        with store.files.fs.open(path, "rb") as file:
                            found |= {entry["md5"] for entry in json.loads(file.read())}
                        break
        return found

    def size(self, checksums: Iterable[str]) -> int:
        """Bytes."""
        with _storage_errors(self.name):
            return sum(self.files.fs.size(self.files.oid_to_path(one)) for one in checksums)

    def remove(self, checksums: Iterable[str]) -> None:
        """Lists of folders last: who was interrupted finds by them what is left."""
        for lists in (False, True):
            these = [one for one in checksums if one.endswith(".dir") == lists]
            self._remove(self.files.fs, [self.files.oid_to_path(one) for one in these])

    def remove_runs(self, paths: list[str]) -> None:
        self._remove(self.run_cache.fs, paths)

    def _remove(self, fs, paths: list[str]) -> None:
        if paths:
            with _storage_errors(self.name):
                fs.remove(paths)


@contextmanager
def _storage_errors(name: str) -> Iterator[None]:
    """What goes wrong within it is the storage's: every kind has exceptions of its own."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{name} cannot be reached: {error}\nthe same command goes on from there") from None


@contextmanager
def open_stores() -> Iterator[list[Store]]:
    """The cache and every remote, while no other `dvc` changes them. Using one that does not answer raises InputError."""
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo, repo.lock:
        cache, found = Store("DVC's cache", repo.cache.local, repo.cache.legacy), []
        for name in repo.config["remote"]:
            with _storage_errors(f"remote {name}"):
                files, notes = (repo.cloud.get_remote_odb(name, hash_name=kind) for kind in ("md5", "md5-dos2unix"))
            found.append(Store(f"remote {name}", files, notes, cache))
        yield [cache, *found]


@contextmanager
def exclusive_access(folders: Iterable[Path]) -> Iterator[None]:
    """While no stage reads or writes there. InputError where one does, as DVC has noted."""
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    try:
        with rwlock(".dvc/tmp", localfs, "forget", [], [str(folder.resolve()) for folder in folders], False):
            yield
    except LockError as error:
        busy = str(error).partition("\n\n")[0].replace(" it is being blocked by", " stages are at work")
        raise InputError(f"nothing was removed: {busy}\nend them first") from None
