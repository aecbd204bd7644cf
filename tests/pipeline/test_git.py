"""The git wrapper."""

import subprocess

import pytest

from pipeline import git

IDENTITY = ["-c", "user.name=a", "-c", "user.email=", "-c", "commit.gpgsign=false"]


def test_run_in_a_folder(tmp_path):
    git.run("init", "-q", folder=tmp_path)
    assert git.short_commit(tmp_path) == "" == git.run("log", folder=tmp_path, check=False)
    with pytest.raises(subprocess.CalledProcessError):
        git.run("log", folder=tmp_path)
    git.run(*IDENTITY, "commit", "-q", "--allow-empty", "-m", "first", folder=tmp_path,
            GIT_AUTHOR_DATE="2026-01-02T03:04:05+00:00")
    assert git.run("log", "--format=%as", folder=tmp_path) == "2026-01-02\n"
    assert git.run("rev-parse", "HEAD", folder=tmp_path).startswith(git.short_commit(tmp_path))
