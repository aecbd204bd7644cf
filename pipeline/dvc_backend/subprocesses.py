"""A program that runs: what it prints and reports is read as it comes, and it is ended with everything that it has
started."""

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

GRACE = 10.0  # seconds from SIGTERM to SIGKILL
TICK = 0.2    # seconds between two looks at what does not say a word

_running: set["Program"] = set()
_ending = threading.Event()


class Program:
    """A program in a session of its own; as a context manager, gone with all of it at the end. It keeps the files
    `keeps` open.

    `silence`, which may be changed while it runs: after so many seconds without a sign of life it is ended."""

    def __init__(self, command: list[str], folder: Path | None = None, environment: dict[str, str] | None = None,
                 keeps: tuple[int, ...] = ()):
        self._events = tempfile.NamedTemporaryFile(prefix="events")
        environment = {**(os.environ if environment is None else environment), events.VARIABLE: self._events.name}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=keeps)
        self.number = self._process.pid
        self.silence: float | None = None
        self.silent = False  # it was ended for its silence
        self._heard = time.monotonic()  # its last sign of life
        self._deadline: float | None = None  # when it is killed, having been asked to end
        _running.add(self)
        if ending():  # since before it was known to `end_all`
            self.end()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        if self._process.poll() is None:
            self.end()
            for _ in self._chunks():
                pass
        _running.discard(self)
        self._process.stdout.close()
        self._events.close()

    def said(self) -> Iterator[str | Event]:
        """The lines that it prints, and the events that it reports, as they come; an event before what is printed after
        it."""
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        line, event = "", b""
        for chunk in self._chunks():
            *reported, event = (event + self._events.read()).split(b"\n")
            if reported:
                self._heard = time.monotonic()
            yield from map(json.loads, reported)
            *printed, line = (line + decode(chunk)).split("\n")
            yield from (f"{text}\n" for text in printed)
        if line:
            yield line

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait()

    def end(self) -> None:
        """Asks it and all that it started to end; what has not done so after GRACE seconds is killed. Not by SIGINT,
        which a process started in the background ignores."""
        self._deadline = self._deadline or time.monotonic() + GRACE
        self._signal(signal.SIGTERM)

    def _chunks(self) -> Iterator[bytes]:
        """Reads until the program has ended and nobody is left who could still print; nothing, every TICK in which it
        prints nothing, and once more at the end."""
        stream, gone = self._process.stdout, False
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() or self._process.poll() is None:
                chunk = b""
                if not selector.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(TICK)
                elif selector.select(TICK):
                    if chunk := os.read(stream.fileno(), 1 << 16):
                        self._heard = time.monotonic()
                    else:
                        selector.unregister(stream)
                yield chunk
                if not gone and self._process.poll() is not None:
                    gone = True
                    self.end()  # what it has left behind
                if self._deadline is None and self.silence and time.monotonic() > self._heard + self.silence:
                    self.silent = True
                    self.end()
                if self._deadline and time.monotonic() > self._deadline:
                    self._signal(signal.SIGKILL)
                    if gone:
                        break
        self._signal(signal.SIGKILL)
        yield b""

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # nobody is left
            os.killpg(self.number, number)


def end_all() -> None:
    """Ends every program that runs; from now on none starts that is not ended at once."""
    _ending.set()
    for program in list(_running):
        program.end()


def ending() -> bool:
    return _ending.is_set()
