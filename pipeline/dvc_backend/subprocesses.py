"""Runs programs: reads their output and events while they run, and terminates them with all their child processes."""

import codecs
import json
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stages import events
from stages.events import Event

GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL
POLL_SECONDS = 0.2    # how often a program without output is checked

_running: set["Program"] = set()
_shutdown = threading.Event()


class Program:
    """A program that runs in its own session. At the end of the context manager it is terminated with all its children.

    pass_fds: file descriptors that it inherits. idle_timeout: after so many seconds without output or events the
    program is terminated, and `timed_out` is set; may be changed while the program runs."""

    def __init__(self, command: list[str], folder: Path | None = None, environment: dict[str, str] | None = None,
                 pass_fds: tuple[int, ...] = ()):
        self._events = tempfile.NamedTemporaryFile(prefix="events")
        environment = {**(os.environ if environment is None else environment), events.VARIABLE: self._events.name}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=pass_fds)
        self.pid = self._process.pid
        self.idle_timeout: float | None = None
        self.timed_out = False
        self._last_activity = time.monotonic()
        self._deadline: float | None = None  # when SIGKILL follows SIGTERM
        _running.add(self)
        if shutting_down():  # `terminate_all` ran before this program was in the set
            self.terminate()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        if self._process.poll() is None:
            self.terminate()
            for _ in self._chunks():
                pass
        _running.discard(self)
        self._process.stdout.close()
        self._events.close()

    def output(self) -> Iterator[str | Event]:
        """Yields the lines that it prints and the events that it reports, as they come. An event comes before the lines
        that are printed after it."""
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        line, event = "", b""
        for chunk in self._chunks():
            *reported, event = (event + self._events.read()).split(b"\n")
            if reported:
                self._last_activity = time.monotonic()
            yield from map(json.loads, reported)
            *printed, line = (line + decode(chunk)).split("\n")
            yield from (f"{text}\n" for text in printed)
        if line:
            yield line

    def wait(self) -> int:
        """Waits for its end and returns its exit code."""
        return self._process.wait()

    def terminate(self) -> None:
        """Sends SIGTERM to the program and its children, and SIGKILL after GRACE_SECONDS. Not SIGINT, which a process
        that was started in the background ignores."""
        self._deadline = self._deadline or time.monotonic() + GRACE_SECONDS
        self._signal(signal.SIGTERM)

    def _chunks(self) -> Iterator[bytes]:
        """Reads until the program has ended and no child can print any more. Yields an empty chunk after every
        POLL_SECONDS without output, and once at the end."""
        stream, exited = self._process.stdout, False
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() or self._process.poll() is None:
                chunk = b""
                if not selector.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(POLL_SECONDS)
                elif selector.select(POLL_SECONDS):
                    if chunk := os.read(stream.fileno(), 1 << 16):
                        self._last_activity = time.monotonic()
                    else:
                        selector.unregister(stream)
                yield chunk
                if not exited and self._process.poll() is not None:
                    exited = True
                    self.terminate()  # child processes that still run
                idle = time.monotonic() - self._last_activity
                if self._deadline is None and self.idle_timeout and idle > self.idle_timeout:
                    self.timed_out = True
                    self.terminate()
                if self._deadline and time.monotonic() > self._deadline:
                    self._signal(signal.SIGKILL)
                    if exited:
                        break
        self._signal(signal.SIGKILL)
        yield b""

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(self.pid, number)


def terminate_all() -> None:
    """Terminates every running program. A program that is started later is terminated at once."""
    _shutdown.set()
    for program in list(_running):
        program.terminate()


def shutting_down() -> bool:
    """Whether `terminate_all` was called."""
    return _shutdown.is_set()
