"""The keys of a remote stay in DVC's local configuration: they are never printed, raised or sent to Prefect."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.dvc_backend import dvc_client
from pipeline.workers import transfer
from stages import params
from tests.remotes import KEYS, Remote, S3Server

SECRETS = [*KEYS.values(), "hunter2"]
ADDRESS = "pose_extraction@ava"


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.fixture
def impatient(monkeypatch):
    """Failed requests are not retried."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def works(s3: S3Server) -> None:
    pass


def is_busy(s3: S3Server) -> None:
    s3.breaks = lambda request: "503 Slow Down"


def knows_no_such_key(s3: S3Server) -> None:
    s3.breaks = lambda request: "403 Forbidden"


def is_gone(s3: S3Server) -> None:
    s3.stop()


@pytest.mark.parametrize("does", [works, is_busy, knows_no_such_key, is_gone])
@pytest.mark.parametrize("command", [["push"], ["repro", "--pull", "--single-item", ADDRESS]], ids=" ".join)
def test_dvc_itself_never_prints_the_keys(project, s3, s3_remote, impatient, does, command):
    """Not even with all log messages."""
    s3_remote.configure(project.folder)
    does(s3)
    done = subprocess.run([sys.executable, "-m", "dvc", *command, "-vv"], capture_output=True, text=True)
    assert (done.returncode == 0) == (does is works)
    assert len(done.stdout + done.stderr) > 1000 and leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("does", [works, is_busy, is_gone])
def test_we_never_print_the_keys(project, s3, s3_remote, impatient, capfd, does):
    s3_remote.configure(project.folder)
    offered = transfer.push_inputs(params.load(), ADDRESS)
    does(s3)
    output = []
    for work in (lambda: transfer.push_result(ADDRESS), lambda: transfer.pull_inputs(ADDRESS, offered),
                 lambda: dvc_client.restore(ADDRESS, pull=True)):
        try:
            work()
        except dvc_client.StageFailed as failure:
            output.append(str(failure))
    shown = capfd.readouterr()
    assert bool(output) == (does is not works)
    assert leaks("".join([offered, *output, shown.out, shown.err])) == []
    assert "artifacts/ava/frames.mkv" in offered


def test_a_password_in_a_url_is_masked(project, capfd):
    """DVC prints URLs as they are in its configuration."""
    Remote("http://ann:hunter2@127.0.0.1:9/x").configure(project.folder)
    command = [sys.executable, "-m", "dvc", "repro", "--pull", "--single-item", ADDRESS]
    own = subprocess.run(command, capture_output=True, text=True)
    assert leaks(own.stdout + own.stderr) == ["hunter2"]
    output = ""
    Path("dvc.lock").unlink()
    try:
        dvc_client.restore(ADDRESS, pull=True)
    except dvc_client.StageFailed as failure:
        output = str(failure)
    shown = capfd.readouterr()
    assert "http://***@127.0.0.1:9/x" in shown.out + output and leaks(shown.out + shown.err + output) == []


def test_the_file_with_the_keys_is_in_no_commit_and_no_cache(project, s3_remote):
    s3_remote.configure(project.folder)
    subprocess.run(["git", "add", "--all"], check=True)
    assert ".dvc/config.local" not in subprocess.run(["git", "ls-files"], capture_output=True, text=True).stdout.split()
    kept = [path for path in project.folder.rglob("*") if path.is_file() and path.name != "config.local"]
    assert [path for path in kept if any(secret.encode() in path.read_bytes() for secret in SECRETS)] == []


def test_the_commands_of_the_readme_keep_the_keys_on_this_machine(project, s3_remote):
    """The URL is committed, the keys are not."""
    bucket, address = s3_remote.url, s3_remote.options["endpointurl"]
    for command in (["remote", "add", "--default", "storage", bucket],
                    ["remote", "modify", "storage", "endpointurl", address],
                    *(["remote", "modify", "--local", "storage", name, value] for name, value in KEYS.items())):
        project.dvc(*command)
    project.dvc("push", "samples@ava")
    assert bucket in Path(".dvc/config").read_text() and leaks(Path(".dvc/config").read_text()) == []
    assert set(leaks(Path(".dvc/config.local").read_text())) == set(KEYS.values())
