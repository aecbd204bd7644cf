"""Runs git."""

import os
import subprocess
from pathlib import Path


def run(*arguments: str, folder: Path = Path(), check: bool = True, **environment: str) -> str:
    """The output of `git ARGUMENTS` in a folder. Raises subprocess.CalledProcessError if it fails, unless `check` is
    False. environment: variables to add."""
    done = subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **environment}, check=check,
                          capture_output=True, encoding="utf-8")
    return done.stdout


def short_commit(folder: Path = Path()) -> str:
    """The abbreviated hash of HEAD; empty without a commit or a repository."""
    return run("rev-parse", "--short", "--verify", "HEAD", folder=folder, check=False).strip()
