"""The job queue, with small programs in place of pipeline runs."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from pipeline.file_lock import try_lock
from pipeline.studio import job_queue, jobs
from pipeline.studio.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Job, Step
from stages import InputError
from stages.learning.checkpoints import Checkpoint
from stages.params import Subject
from tests.server import wait_for

WAITS_FOR = "import os, sys, time\nwhile not os.path.exists('{0}.go'): time.sleep(0.02)\n"
EMIT = ("import json, os\ndef emit(**event):\n"
        "    with open(os.environ['FAKEMOTION_EVENTS'], 'a') as file: file.write(json.dumps(event) + chr(10))\n")
SAYS = "import os; open('{0}.saw', 'w').write(os.environ.get('CUDA_VISIBLE_DEVICES', '-'))"


@dataclass
class Small(Job):
    """A job whose run is a small program."""

    code: str = ""

    def command(self) -> list[str]:
        return ["-c", self.code]


def small(name: str, code: str = WAITS_FOR + SAYS, steps: tuple[str, ...] = ()) -> Small:
    return Small("ana", name, name, "demo", {address: Step(address) for address in steps}, code=code.replace("{0}", name))


@pytest.fixture
def make_queue(tmp_path, monkeypatch):
    """A function that makes a queue for some GPUs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown").mkdir()
    lock = os.open("lock", os.O_CREAT)
    made = []

    def make(gpus: str) -> job_queue.JobQueue:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        made.append(job_queue.JobQueue(tmp_path / "shown", lock))
        return made[-1]

    yield make
    for one in made:
        one.close()
    os.close(lock)


def go(name: str) -> None:
    for path in jobs.result_files(name).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    Path(f"{name}.go").touch()


def states(queue: job_queue.JobQueue) -> list[str]:
    return [job.state for job in queue.jobs]


@pytest.mark.parametrize("gpus, at_once", [("", 1), ("0", 1), ("0,1", 2)])
def test_one_at_a_time_on_each_gpu(make_queue, gpus, at_once):
    queue = make_queue(gpus)
    for name in "abc":
        queue.add(small(name))
    wait_for(lambda: states(queue).count(RUNNING) == at_once)
    time.sleep(0.2)
    assert states(queue) == [RUNNING] * at_once + [WAITING] * (3 - at_once)
    assert queue.num_ahead(queue.jobs[2]) == 2
    for name in "abc":
        go(name)
    wait_for(lambda: states(queue) == [DONE] * 3, 20)
    first, third = ({Path(f"{name}.saw").read_text() for name in names} for names in ("abc"[:at_once], "c"))
    assert first == set(gpus.split(",")) >= third


def test_results_are_copied_for_the_page(make_queue):
    queue = make_queue("")
    queue.add(small("a"))
    go("a")
    wait_for(lambda: states(queue) == [DONE], 20)
    assert {name: (path.name, path.read_text()) for name, path in queue.jobs[0].results.items()} == {
        "video": ("a.mp4", "a"), "report": ("a.html", "a")}


def test_a_run_that_fails_does_not_stop_the_next(make_queue):
    queue = make_queue("")
    queue.add(small("bad", "print('no room', flush=True); raise SystemExit(3)"))
    queue.add(small("nothing", "pass"))  # succeeds without a result
    queue.add(small("good"))
    go("good")
    wait_for(lambda: states(queue)[2] == DONE, 20)
    assert states(queue)[:2] == [FAILED, FAILED] and queue.jobs[0].error == "no room"
    assert "FileNotFoundError" in queue.jobs[1].error


def test_stopping_a_running_and_a_waiting_job(make_queue):
    queue = make_queue("")
    for name in "abc":
        queue.add(small(name))
    wait_for(lambda: states(queue)[0] == RUNNING)
    for name in "ab":
        queue.stop(queue.jobs[ord(name) - ord("a")])
    wait_for(lambda: states(queue) == [STOPPED, STOPPED, RUNNING], 20)
    assert not Path("a.saw").exists() and not Path("b.saw").exists()


def test_the_queue_is_limited_and_has_no_duplicates(make_queue):
    queue = make_queue("")
    queue.add(small("a"))
    with pytest.raises(InputError, match="ana like a, demo: is already in the queue"):
        queue.add(small("a"))
    for i in range(job_queue.MAX_WAITING):
        queue.add(small(f"b{i}"))
    with pytest.raises(InputError, match=f"{job_queue.MAX_WAITING} jobs are waiting already"):
        queue.add(small("c"))


def test_a_training_shows_its_previews(make_queue):
    queue = make_queue("")
    folder, other = (Checkpoint(f"generator_training@{name}", [], Subject(preset="demo")).path.with_suffix("")
                     for name in ("ana", "ana_2"))
    folder.mkdir(parents=True), other.mkdir()
    old = folder / "preview_000100.png"
    old.write_bytes(b"of another run")
    os.utime(old, (1, 1))
    (other / "preview_000300.png").write_bytes(b"of somebody else")
    os.utime(other / "preview_000300.png", (2**32, 2**32))
    code = (EMIT + "emit(kind='started', address='generator_training@ana')\nimport time; time.sleep(0.5)\n"
            f"open('{folder}/preview_000200.png', 'wb').write(b'new')\nprint('drawn', flush=True)\n" + WAITS_FOR)
    queue.add(small("a", code, ("generator_training@ana",)))
    step = queue.jobs[0].steps["generator_training@ana"]
    wait_for(lambda: step.picture, 20)
    assert step.picture.read_bytes() == b"new" and "so far" in step.caption and queue.jobs[0].state == RUNNING


def test_pictures_of_stages_or_why_there_is_none(make_queue, monkeypatch):
    code = "import cv2, numpy, sys; print('all'); sys.argv[1] == 'frames@ana' or sys.exit('none, because'); " \
           "cv2.imwrite(sys.argv[2], numpy.full((8, 8, 3), 200, 'uint8'))"
    Path("stages/reporting").mkdir(parents=True)
    queue = make_queue("")
    Path("stages/__init__.py").touch(), Path("stages/reporting/__init__.py").touch()
    Path("stages/reporting/previews.py").write_text(code)
    steps = ("frames@ana", "pose_extraction@ana")
    queue.add(small("a", EMIT + "".join(
        f"emit(kind='started', address='{step}'); emit(kind='done', address='{step}', computed=True, seconds=1)\n"
        for step in steps), steps))
    go("a")
    wait_for(lambda: states(queue) == [DONE] and queue.jobs[0].steps["pose_extraction@ana"].picture_error, 30)
    first, second = queue.jobs[0].steps.values()
    assert abs(cv2.imread(str(first.picture)).astype(int) - 200).max() < 4
    assert first.caption == "all"
    assert (second.picture, second.picture_error) == (None, "none, because")


def test_a_run_that_outlives_this_process_keeps_the_lock(make_queue, tmp_path, monkeypatch):
    make_queue("")  # creates the folder
    with open("other", "a") as lock:
        assert try_lock(lock)
        ours = job_queue.JobQueue(tmp_path / "shown", lock.fileno())
        ours.add(small("a"))
        wait_for(lambda: ours._programs)
    with open("other", "a") as lock:
        assert not try_lock(lock)
        ours.close()
        wait_for(lambda: try_lock(lock), 20)


def test_gpus_from_nvidia_smi(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert job_queue.gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nimport sys\nassert sys.argv[1] == '--query-gpu=index'\nprint('0\\n1')")
    tool.chmod(0o755)
    assert job_queue.gpus() == ["0", "1"]
    tool.write_text(f"#!{sys.executable}\nprint('No devices were found')\nraise SystemExit(6)")
    assert job_queue.gpus() == []
