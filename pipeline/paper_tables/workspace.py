"""A clone of the project in which DVC's experiments run. `dvc exp run` rewrites params.yaml, stashes and resets the
folder it is called in: in the user's own, a kill at the wrong moment would leave their work in git's stash.

The clone shares git's objects, DVC's cache and the weights with the project, and has a `.checkpoints` of its own, so
that a training that was stopped goes on. What is not committed yet is taken along as one commit more.
"""

import os
import shutil
import subprocess
from pathlib import Path

from stages import InputError, layout, pretrained

WHO = ["-c", "user.name=FakeMotion", "-c", "user.email=", "-c", "commit.gpgsign=false"]


class Workspace:
    """The clone, as the project is now; `files`: the user's videos that a stage reads."""

    def __init__(self, files: list[Path], root: Path = Path()):
        self.root, self.folder = root.resolve(), (root / layout.EXPERIMENTS).resolve()
        try:
            self.commit = _git(self.root, "rev-parse", "--verify", "HEAD").strip()
        except subprocess.CalledProcessError:
            raise InputError("experiments need a git repository with a commit: git init; git add -A; git commit"
                             ) from None
        if not self.folder.exists():
            part = self.folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _git(self.root, "clone", "--quiet", "--shared", "--no-checkout", ".", str(part))
            part.rename(self.folder)
        files = [file for file in files if file == pretrained.METRIC_FOLDER or self._untracked(file)]
        apart = "".join(f"/{file}\n" for file in ["weights", *files])  # neither committed nor cleared
        (self.folder / ".git/info/exclude").write_text(apart, encoding="utf-8")
        self._clear(self.commit)
        self.changed = self._take_changes()
        self._share(files)

    def reset(self) -> None:
        """Undoes what an experiment changed."""
        self._clear("HEAD")

    def forget(self, name: str) -> None:
        """Makes the name of an experiment free."""
        for ref in self._refs(name):
            _git(self.folder, "update-ref", "-d", ref)

    def publish(self, name: str) -> None:
        """Makes an experiment known in the project: dvc exp show, dvc exp apply."""
        _git(self.root, "fetch", "--quiet", str(self.folder), *(f"+{ref}:{ref}" for ref in self._refs(name)))

    def _refs(self, name: str) -> list[str]:
        refs = _git(self.folder, "for-each-ref", "--format=%(refname)", "refs/exps").split()
        return [ref for ref in refs if ref.endswith(f"/{name}")]

    def _clear(self, commit: str) -> None:
        for lock in (self.folder / ".git").glob("*.lock"):  # of a git that was killed
            lock.unlink()
        _git(self.folder, "checkout", "--quiet", "--force", "--detach", commit)
        _git(self.folder, "clean", "--quiet", "--force", "-d")

    def _take_changes(self) -> bool:
        """Whether anything was not committed: changed files, and new ones of the code."""
        names = _git(self.root, "diff", "--name-only", "-z", "HEAD")
        names += _git(self.root, "ls-files", "-z", "--others", "--exclude-standard", "--", "stages", "digests")
        for name in filter(None, names.split("\0")):
            file, copy = self.root / name, self.folder / name
            copy.unlink(missing_ok=True)
            if file.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)
        _git(self.folder, "add", "--all")
        if not names:
            return False
        date = _git(self.folder, "show", "--no-patch", "--format=%cI").strip()  # the same changes are the same commit
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        _git(self.folder, *WHO, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "not committed yet", **dates)
        return True

    def _share(self, files: list[Path]) -> None:
        (self.root / ".dvc/cache").mkdir(parents=True, exist_ok=True)
        for name in (".dvc/cache", ".dvc/config.local", "weights"):
            copy = self.folder / name
            if (self.root / name).exists() and not copy.is_symlink():
                copy.symlink_to(self.root / name)
        for file in files:
            source, copy = self.root / file, self.folder / file
            if copy.is_dir():
                shutil.rmtree(copy)
            copy.unlink(missing_ok=True)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, copy, copy_function=_link) if source.is_dir() else _link(source, copy)

    def _untracked(self, file: Path) -> bool:
        """Whether a file or folder of the user lies in the project and git does not hold it."""
        if file.is_absolute():
            return False
        if ".." in file.parts:
            raise InputError(f"params.yaml: {file} is outside of the project; write its whole path: {file.resolve()}")
        return not _git(self.root, "ls-files", "--", str(file))


def _link(source: str | Path, copy: str | Path) -> None:
    """A hard link, where the disk allows."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def _git(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **environment}, check=True,
                          capture_output=True, encoding="utf-8")
    return done.stdout
