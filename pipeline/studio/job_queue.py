"""The line in which the studio's orders wait: one runs at a time on each GPU, or on a machine without one.

An order runs as `python -m pipeline run`, a process of its own, as a user would start it in a terminal.
"""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pipeline.dvc_backend import subprocesses
from pipeline.dvc_backend.subprocesses import Program
from pipeline.studio import jobs
from pipeline.studio.jobs import Job, Step
from stages import InputError, layout

MOST = 8                             # orders that wait
VISIBLE = "CUDA_VISIBLE_DEVICES"
PYTHON = [sys.executable, *["-P"] * sys.flags.safe_path]  # as this process was started


def gpus() -> list[str]:
    """What VISIBLE says of each GPU that may be used; none on a machine without."""
    if VISIBLE in os.environ:
        return [gpu for gpu in os.environ[VISIBLE].split(",") if gpu.strip() not in ("", "-1")]
    if not (tool := shutil.which("nvidia-smi")):
        return []
    done = subprocess.run([tool, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, encoding="utf-8")
    return done.stdout.split() if done.returncode == 0 else []


class JobQueue:
    """Runs what is put into it, as long as this process lives. `shown`: a folder for what the page shows of it. `lock`:
    a file that is kept open, and with it locked, as long as a run lives, even where that outlives this process."""

    def __init__(self, shown: Path, lock: int):
        self.orders: list[Job] = []  # every one, in the order in which they came
        self.devices = gpus() or [""]
        self._shown, self._lock = shown, lock
        self._changed = threading.Condition()
        self._programs: dict[int, Program] = {}  # by their order's id()
        self._pictures = ThreadPoolExecutor(1)
        for device in self.devices:
            threading.Thread(target=self._work, args=(device,), daemon=True).start()

    def add(self, order: Job) -> None:
        with self._changed:
            alive = [other for other in self.orders if other.alive]
            if order.key in [other.key for other in alive]:
                raise InputError(f"{order.title}: is being made already")
            if len(alive) >= MOST + len(self.devices):
                raise InputError(f"{MOST} are waiting already; order again when one of them is done")
            self.orders.append(order)
            self._changed.notify_all()

    def before(self, order: Job) -> int:
        """How many are to be made before one that waits."""
        ahead = self.orders[: self.orders.index(order)]
        return sum(other.alive for other in ahead)

    def stop(self, order: Job) -> None:
        """What was finished stays, and the same order goes on from there."""
        with self._changed:
            order.stopping = True
            if order.state == jobs.WAITS:
                order.state = jobs.STOPPED
            if program := self._programs.get(id(order)):
                program.end()

    def close(self) -> None:
        """Ends what runs, and comes back when that is over."""
        for order in self.orders:
            self.stop(order)
        with self._changed:
            self._changed.wait_for(lambda: not self._programs, subprocesses.GRACE + 5)

    def _work(self, device: str) -> None:
        while True:
            with self._changed:
                while not (order := next((order for order in self.orders if order.state == jobs.WAITS), None)):
                    self._changed.wait()
                order.state = jobs.RUNS
            try:
                self._run(order, device)
            except Exception as error:  # whatever it is: the next one is not to wait for ever
                order.state, order.error = jobs.FAILED, f"{type(error).__name__}: {error}"
            with self._changed:
                self._changed.notify_all()

    def _run(self, order: Job, device: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"} | ({VISIBLE: device} if device else {})
        pictures = []
        with Program([*PYTHON, *order.command()], environment=environment, keeps=(self._lock,)) as program:
            with self._changed:
                self._programs[id(order)] = program
                if order.stopping:  # since before its program was known
                    program.end()
            try:
                for said in program.said():
                    pictures += [self._pictures.submit(self._picture, step) for step in order.hears(said)]
                    self._show_training(order)
                code = program.wait()
            finally:
                with self._changed:
                    del self._programs[id(order)]
                    self._changed.notify_all()
        if not code:
            self._copy_result(order)
        for picture in [*pictures, *(self._pictures.submit(self._picture, step) for step in order.ends(code))]:
            picture.result()

    def _copy_result(self, order: Job) -> None:
        for name, path in jobs.result(order.key).items():
            order.made[name] = self._shown / f"{order.key}{path.suffix}"
            shutil.copyfile(path, order.made[name])

    def _show_training(self, order: Job) -> None:
        """What a generator that is being trained has drawn last."""
        step = order.running
        if not (step and step.address.startswith("generator_training@")):
            return
        drawn = [path for run in layout.resume_files(step.address) for path in sorted(run.glob("preview_*.png"))]
        with suppress(FileNotFoundError):  # it ends just now
            fresh = [path for path in drawn if path.stat().st_mtime >= step.begun]
            if fresh and (not step.picture or step.picture.stat().st_mtime < fresh[-1].stat().st_mtime):
                path = self._shown / f"{step.address}.png"
                shutil.copyfile(fresh[-1], path)
                step.picture, step.shows = path, "skeleton, generated and true foreground so far"

    def _picture(self, step: Step) -> None:
        """Of what a stage left behind, made by a process: it decodes what a user gave."""
        path = self._shown / f"{step.address}.jpg"
        command = [*PYTHON, "-m", "stages.reporting.previews", step.address, str(path)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        if done.returncode == 0 and path.exists():
            step.picture, step.shows = path, done.stdout.strip()
        elif done.returncode and not subprocesses.ending():
            step.blind = done.stderr.strip().rpartition("\n")[2]
