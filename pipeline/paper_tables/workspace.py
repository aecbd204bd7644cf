"""A clone of the project in which DVC's experiments run.

`dvc exp run` rewrites params.yaml, and stashes and resets the changes in the folder in which it runs. In the user's own
folder, an interruption could leave the user's changes in git's stash.

The clone shares git's objects, DVC's cache and the weights with the project. It has its own folder `.checkpoints`, from
which a stopped training is resumed. Uncommitted changes of the project are added to the clone as one more commit."""

import os
import shutil
import subprocess
from pathlib import Path

from pipeline import git
from stages import InputError, layout, pretrained

GIT_IDENTITY = ["-c", "user.name=FakeMotion", "-c", "user.email=", "-c", "commit.gpgsign=false"]


class Workspace:
    """The clone, with the current state of the project. files: the user's videos that a stage reads. Raises InputError
    if there is no commit or a file is outside the project."""

    def __init__(self, files: list[Path], root: Path = Path()):
        self.root, self.folder = root.resolve(), (root / layout.EXPERIMENTS).resolve()
        try:
            self.commit = git.run("rev-parse", "--verify", "HEAD", folder=self.root).strip()
        except subprocess.CalledProcessError:
            raise InputError("experiments need a git repository with a commit: git init; git add -A; git commit"
                             ) from None
        if not self.folder.exists():
            part = self.folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            git.run("clone", "--quiet", "--shared", "--no-checkout", ".", str(part), folder=self.root)
            part.rename(self.folder)
        files = [file for file in files if file == pretrained.METRIC_FOLDER or self._untracked(file)]
        excluded = "".join(f"/{file}\n" for file in ["weights", *files])  # neither committed nor deleted
        (self.folder / ".git/info/exclude").write_text(excluded, encoding="utf-8")
        self._checkout(self.commit)
        self._commit_changes()
        self._link_files(files)

    def reset(self) -> None:
        """Undoes the changes of an experiment."""
        self._checkout("HEAD")

    def forget(self, name: str) -> None:
        """Deletes an earlier experiment of this name."""
        for ref in self._refs(name):
            git.run("update-ref", "-d", ref, folder=self.folder)

    def publish(self, name: str) -> None:
        """Makes an experiment available in the project, for `dvc exp show` and `dvc exp apply`."""
        git.run("fetch", "--quiet", str(self.folder), *(f"+{ref}:{ref}" for ref in self._refs(name)), folder=self.root)

    def _refs(self, name: str) -> list[str]:
        refs = git.run("for-each-ref", "--format=%(refname)", "refs/exps", folder=self.folder).split()
        return [ref for ref in refs if ref.endswith(f"/{name}")]

    def _checkout(self, commit: str) -> None:
        for lock in (self.folder / ".git").glob("*.lock"):  # left by a killed git process
            lock.unlink()
        git.run("checkout", "--quiet", "--force", "--detach", commit, folder=self.folder)
        git.run("clean", "--quiet", "--force", "-d", folder=self.folder)

    def _commit_changes(self) -> None:
        """Commits the project's uncommitted changes, and new files of the code, to the clone."""
        names = git.run("diff", "--name-only", "-z", "HEAD", folder=self.root)
        names += git.run("ls-files", "-z", "--others", "--exclude-standard", "--", "stages", "digests", folder=self.root)
        for name in filter(None, names.split("\0")):
            file, copy = self.root / name, self.folder / name
            copy.unlink(missing_ok=True)
            if file.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)
        git.run("add", "--all", folder=self.folder)
        if not names:
            return
        # With the date of HEAD, the same changes give the same commit.
        date = git.run("show", "--no-patch", "--format=%cI", folder=self.folder).strip()
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        git.run(*GIT_IDENTITY, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "not committed yet",
                folder=self.folder, **dates)

    def _link_files(self, files: list[Path]) -> None:
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
        """Whether a file or folder of the user is in the project but not in git."""
        if file.is_absolute():
            return False
        if ".." in file.parts:
            raise InputError(f"params.yaml: {file} is outside the project; write its absolute path: {file.resolve()}")
        return not git.run("ls-files", "--", str(file), folder=self.root)


def _link(source: str | Path, copy: str | Path) -> None:
    """A hard link, or a copy if the file system does not support it."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)
