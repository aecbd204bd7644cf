"""A program that runs: what it prints is read as it comes, and it is ended with everything that it has started."""

import codecs
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GRACE = 10.0  # seconds from SIGTERM to SIGKILL
TICK = 0.2    # seconds between two looks at what does not say a word

_running: set["Program"] = set()
_ending = threading.Event()


class Program:
    """A program in a session of its own; as a context manager, gone with all of it at the end. It keeps the files
    `keeps` open. `noise`: what is taken out of its output.

    `silence`, which may be changed while it runs: after so many seconds without a sign of life it is ended."""

    def __init__(self, command: list[str], folder: Path | None = None, environment: dict[str, str] | None = None,
                 keeps: tuple[int, ...] = (), noise: re.Pattern | None = None):
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=keeps)
        self.number = self._process.pid
        self.silence: float | None = None
        self.silent = False  # it was ended for its silence
        self._noise = noise
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

    def pieces(self) -> Iterator[str]:
        """What it prints, as it comes: whole lines, and progress bars from their carriage return on."""
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        rest = ""
        for chunk in self._chunks():
            text = rest + decode(chunk)
            *pieces, rest = re.split(r"(?<=\n)|(?=\r)", self._noise.sub("", text) if self._noise else text)
            if rest.startswith("\r"):
                pieces, rest = [*pieces, rest], ""
            yield from filter(None, pieces)
        if rest:
            yield rest

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait()

    def end(self) -> None:
        """Asks it and all that it started to end; what has not done so after GRACE seconds is killed. Not by SIGINT,
        which a process started in the background ignores."""
        self._deadline = self._deadline or time.monotonic() + GRACE
        self._signal(signal.SIGTERM)

    def _chunks(self) -> Iterator[bytes]:
        """Reads until the program has ended and nobody is left who could still print."""
        stream, heard, gone = self._process.stdout, time.monotonic(), False
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() or self._process.poll() is None:
                if not selector.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(TICK)
                elif selector.select(TICK):
                    if chunk := os.read(stream.fileno(), 1 << 16):
                        yield chunk
                        heard = time.monotonic()
                    else:
                        selector.unregister(stream)
                if not gone and self._process.poll() is not None:
                    gone = True
                    self.end()  # what it has left behind
                if self._deadline is None and self.silence and time.monotonic() > heard + self.silence:
                    self.silent = True
                    self.end()
                if self._deadline and time.monotonic() > self._deadline:
                    self._signal(signal.SIGKILL)
                    if gone:
                        break
        self._signal(signal.SIGKILL)

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
