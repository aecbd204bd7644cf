"""Signing: the credentials name the files, weights, code and consent that the result was made from."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from stages import layout, signing
from stages.media import video_file
from stages.params import Signing, Transfer
from stages.provenance import certificates, credentials
from tests.stages import toy

sha256 = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def made(tmp_path, monkeypatch) -> dict[str, Path]:
    """The inputs of signing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with video_file.h264(tmp_path / "unsigned.mp4", 25, 18, {"watermark": "12ab"}) as write:
        write(toy.wall())
    for name in ("generator", "local_gans"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
        (tmp_path / name / "about.json").write_text(json.dumps({"consent": 64 * "c"}))
    for who, letter in (("target", "a"), ("source", "b")):
        toy.write_timeline(tmp_path / f"{who}.parquet", sha256={f"/home/ann/secret/{who}.mp4": 64 * letter})
    return {"unsigned": tmp_path / "unsigned.mp4", "generator": tmp_path / "generator",
            "local_gans": tmp_path / "local_gans", "target_timeline": tmp_path / "target.parquet",
            "source_timeline": tmp_path / "source.parquet"}


def run(made, folder, **entry) -> credentials.Credentials:
    assert set(made) == set(layout.INPUTS["signing"])
    entry = Transfer(target="ann", source="bob", preset="demo", truth=None, **entry)
    signing.run(**made, video=folder / "video.mp4", params=Signing(), entry=entry)
    return credentials.read(folder / "video.mp4", certificates.own_certificates())


def test_the_statement_names_the_inputs(made, tmp_path, capsys):
    found = run(made, tmp_path)
    said = found.statement
    assert found.trusted and (said.target.name, said.source.name) == ("ann", "bob")
    assert [(file.name, file.sha256) for file in said.target.files] == [("target.mp4", 64 * "a")]
    assert [(file.name, file.sha256) for file in said.source.files] == [("source.mp4", 64 * "b")]
    assert said.model.generator == sha256(made["generator"] / "model.safetensors")
    assert said.model.local_gans == sha256(made["local_gans"] / "model.safetensors")
    assert (said.consent, said.watermark, said.label, said.label_reason) == (64 * "c", "12ab", True, None)
    assert b"secret" not in (tmp_path / "video.mp4").read_bytes()  # part of the path of the user's files
    assert "a certificate created on this machine, which does not prove anybody's identity" in capsys.readouterr().out


def test_the_reason_for_a_missing_label(made, tmp_path):
    said = run(made, tmp_path, label=False, label_reason="a museum's wall\n says it").statement
    assert (said.label, said.label_reason) == (False, "a museum's wall says it")


def test_the_hash_of_the_code(tmp_path):
    folder = tmp_path / "project" / "stages"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("1")
    first = signing.code_version(folder)
    (folder / "a.py").write_text("2")
    assert first.commit is None and signing.code_version(folder).sha256 != first.sha256


def test_the_commit_is_that_of_git(tmp_path):
    """On a branch, with packed references, with a detached HEAD, and in a linked working tree."""
    project, tree = tmp_path / "project", tmp_path / "tree"
    me = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git = lambda *words, where=project: subprocess.check_output(["git", *me, *words], cwd=where, text=True)
    git("init", "-q", str(project), where=tmp_path)
    assert signing.head_commit(project / ".git") is None  # no commit yet
    git("commit", "-q", "--allow-empty", "-m", "one")
    head = git("rev-parse", "HEAD").strip()
    assert signing.head_commit(project / ".git") == head
    git("pack-refs", "--all")
    assert signing.head_commit(project / ".git") == head
    git("worktree", "add", "-q", "-b", "more", str(tree))
    git("commit", "-q", "--allow-empty", "-m", "two", where=tree)
    assert signing.head_commit(tree / ".git") == git("rev-parse", "HEAD", where=tree).strip() != head
    git("checkout", "-q", "--detach")
    assert signing.head_commit(project / ".git") == head
