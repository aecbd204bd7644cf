"""Runs the studio's jobs in order: one at a time per GPU; without a GPU, one at a time.

A job runs as `python -m pipeline run` in a separate process, as if a user had started it in a terminal."""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pipeline import nvidia_smi
from pipeline.dvc_backend import subprocesses
from pipeline.dvc_backend.subprocesses import Program
from pipeline.studio import jobs
from pipeline.studio.jobs import Job, Step
from stages import InputError, layout

MAX_WAITING = 8  # jobs
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
PYTHON = [sys.executable, *["-P"] * sys.flags.safe_path]  # with the same -P flag as this process


def gpus() -> list[str]:
    """The value of CUDA_VISIBLE_DEVICES for each usable GPU. Empty without a GPU."""
    if VISIBLE_DEVICES in os.environ:
        return [gpu for gpu in os.environ[VISIBLE_DEVICES].split(",") if gpu.strip() not in ("", "-1")]
    return nvidia_smi.query("index")


class JobQueue:
    """Runs jobs until this process ends. served: the folder of files for the page. lock: a locked file descriptor that
    every run inherits, so that the lock is held until the last run has ended, even if this process has ended before."""

    def __init__(self, served: Path, lock: int):
        self.jobs: list[Job] = []  # all jobs so far, the oldest first
        self.devices = gpus() or [""]
        self._served, self._lock = served, lock
        self._changed = threading.Condition()
        self._programs: dict[int, Program] = {}  # by id() of the job
        self._pictures = ThreadPoolExecutor(1)
        for device in self.devices:
            threading.Thread(target=self._work, args=(device,), daemon=True).start()

    def add(self, job: Job) -> None:
        """Adds a job. Raises InputError if the same transfer is in the queue or too many jobs are waiting."""
        with self._changed:
            active = [other for other in self.jobs if other.is_active]
            if job.key in [other.key for other in active]:
                raise InputError(f"{job.title}: is already in the queue")
            if len(active) >= MAX_WAITING + len(self.devices):
                raise InputError(f"{MAX_WAITING} jobs are waiting already; try again when one of them is done")
            self.jobs.append(job)
            self._changed.notify_all()

    def num_ahead(self, job: Job) -> int:
        """The number of jobs before a waiting one."""
        ahead = self.jobs[: self.jobs.index(job)]
        return sum(other.is_active for other in ahead)

    def stop(self, job: Job) -> None:
        """Stops a job. Finished stages are kept, and the same job later continues from there."""
        with self._changed:
            job.stopping = True
            if job.state == jobs.WAITING:
                job.state = jobs.STOPPED
            if program := self._programs.get(id(job)):
                program.terminate()

    def close(self) -> None:
        """Stops all jobs and waits for their end."""
        for job in self.jobs:
            self.stop(job)
        with self._changed:
            self._changed.wait_for(lambda: not self._programs, subprocesses.GRACE_SECONDS + 5)

    def _work(self, device: str) -> None:
        while True:
            with self._changed:
                while not (job := next((job for job in self.jobs if job.state == jobs.WAITING), None)):
                    self._changed.wait()
                job.state = jobs.RUNNING
            try:
                self._run(job, device)
            except Exception as error:  # the next job must run, whatever this one raised
                job.state, job.error = jobs.FAILED, f"{type(error).__name__}: {error}"
            with self._changed:
                self._changed.notify_all()

    def _run(self, job: Job, device: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"} | ({VISIBLE_DEVICES: device} if device else {})
        pictures = []
        with Program([*PYTHON, *job.command()], environment=environment, pass_fds=(self._lock,)) as program:
            with self._changed:
                self._programs[id(job)] = program
                if job.stopping:  # it was stopped before its program was registered
                    program.terminate()
            try:
                for item in program.output():
                    pictures += [self._pictures.submit(self._picture, step) for step in job.on_output(item)]
                    self._show_training(job)
                code = program.wait()
            finally:
                with self._changed:
                    del self._programs[id(job)]
                    self._changed.notify_all()
        if not code:
            self._copy_result(job)
        for picture in [*pictures, *(self._pictures.submit(self._picture, step) for step in job.on_exit(code))]:
            picture.result()

    def _copy_result(self, job: Job) -> None:
        for name, path in jobs.result_files(job.key).items():
            job.results[name] = self._served / f"{job.key}{path.suffix}"
            shutil.copyfile(path, job.results[name])

    def _show_training(self, job: Job) -> None:
        """Shows the latest preview of a generator in training."""
        step = job.running_step
        if not (step and step.address.startswith("generator_training@")):
            return
        drawn = [path for run in layout.resume_files(step.address) for path in sorted(run.glob("preview_*.png"))]
        with suppress(FileNotFoundError):  # the training has just ended
            fresh = [path for path in drawn if path.stat().st_mtime >= step.started_at]
            if fresh and (not step.picture or step.picture.stat().st_mtime < fresh[-1].stat().st_mtime):
                path = self._served / f"{step.address}.png"
                shutil.copyfile(fresh[-1], path)
                step.picture, step.caption = path, "skeleton, generated and true foreground so far"

    def _picture(self, step: Step) -> None:
        """Draws the outputs of a stage, in a separate process because it decodes files that a user has uploaded."""
        path = self._served / f"{step.address}.jpg"
        command = [*PYTHON, "-m", "stages.reporting.previews", step.address, str(path)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        if done.returncode == 0 and path.exists():
            step.picture, step.caption = path, done.stdout.strip()
        elif done.returncode and not subprocesses.shutting_down():
            step.picture_error = done.stderr.strip().rpartition("\n")[2]
