"""Reads and deletes the contents of DVC's cache and of its remotes.

A store (cache or remote) contains files, by their checksum, and the run cache: one entry for every run of a stage, with
its inputs and outputs."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages import InputError, safe_yaml


class Store:
    """A cache or remote of DVC. `files`, `run_cache`: its two object databases."""

    def __init__(self, name: str, files, run_cache, cache: "Store | None" = None):
        self.name, self.files, self.run_cache, self.cache = name, files, run_cache, cache

    def runs(self) -> list[tuple[str, dict]]:
        """Path and content of every entry of the run cache."""
        found, fs = [], self.run_cache.fs
        with _storage_errors(self.name):
            folder = fs.join(self.run_cache.path, "runs")
            for path in fs.find(folder) if fs.exists(folder) else []:
                with fs.open(path, "rb") as file:
                    found.append((path, safe_yaml.parse(file.read(), path)))
        return [(path, entry) for path, entry in found if isinstance(entry, dict) and "outs" in entry]

    def existing(self, checksums: set[str]) -> list[str]:
        """The checksums among these whose files exist in this store."""
        with _storage_errors(self.name):
            return list(self.files.list_oids_exists(checksums)) if checksums else []

    def with_folder_contents(self, checksums: Iterable[str]) -> set[str]:
        """The checksums, and those of the files in every folder among them, if the folder's list is here or in the
        cache."""
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
        """The size of these files in bytes."""
        with _storage_errors(self.name):
            return sum(self.files.fs.size(self.files.oid_to_path(one)) for one in checksums)

    def remove(self, checksums: Iterable[str]) -> None:
        """Deletes files. Lists of folders are deleted last: an interrupted `forget` needs them to find the remaining
        files."""
        for lists in (False, True):
            these = [one for one in checksums if one.endswith(".dir") == lists]
            self._remove(self.files.fs, [self.files.oid_to_path(one) for one in these])

    def remove_runs(self, paths: list[str]) -> None:
        """Deletes entries of the run cache."""
        self._remove(self.run_cache.fs, paths)

    def _remove(self, fs, paths: list[str]) -> None:
        if paths:
            with _storage_errors(self.name):
                fs.remove(paths)


@contextmanager
def _storage_errors(name: str) -> Iterator[None]:
    """Turns any exception into an InputError that names the storage: every kind of storage has its own exceptions."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{name} cannot be reached: {error}\nrun the same command again to continue") from None


@contextmanager
def open_stores() -> Iterator[list[Store]]:
    """The cache and every remote. No other `dvc` can change them meanwhile. Using one that does not respond raises
    InputError."""
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo, repo.lock:
        cache, found = Store("DVC's cache", repo.cache.local, repo.cache.legacy), []
        for name in repo.config["remote"]:
            with _storage_errors(f"remote {name}"):
                files, runs = (repo.cloud.get_remote_odb(name, hash_name=kind) for kind in ("md5", "md5-dos2unix"))
            found.append(Store(f"remote {name}", files, runs, cache))
        yield [cache, *found]


@contextmanager
def exclusive_access(folders: Iterable[Path]) -> Iterator[None]:
    """Keeps stages from reading or writing these folders. Raises InputError if one does so now."""
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    try:
        with rwlock(".dvc/tmp", localfs, "forget", [], [str(folder.resolve()) for folder in folders], False):
            yield
    except LockError as error:
        busy = str(error).partition("\n\n")[0].replace(" it is being blocked by", " it is used by running stages")
        raise InputError(f"nothing was removed: {busy}\nstop them first") from None
