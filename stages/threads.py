"""How many threads compute: the `threads` of params.yaml.

Threads that share a computation wait for each other at its end. Where another program has the core of one of them, all
wait, and a step takes many times as long as one thread would. `auto` starts with a thread for each processor that other
programs leave, and tries fewer or more while it runs. A number stays as it is: PyTorch adds up in as many parts as
there are threads, and rounds accordingly.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal, TypeVar

from stages import InputError, processors
from stages.processors import Reading
from stages.thread_trials import Trials

Setting = Literal["auto"] | int
Item = TypeVar("Item")

LOOK = 0.2  # seconds before the first step, in which is seen what other programs leave

_setting: Setting = "auto"
_within: "Threads | None" = None  # whose step this is


@contextmanager
def chosen(setting: Setting) -> Iterator[None]:
    """Within it, this is how many threads compute. InputError where the environment allows fewer."""
    global _setting
    if setting != "auto" and (limit := processors.limit()) and setting > limit:
        raise InputError(f"params.yaml: threads: {setting}, but {processors.LIMIT}={limit} in the environment allows "
                         f"fewer; expected `threads: auto` or at most {limit}, or {processors.LIMIT} unset")
    before, _setting = _setting, setting
    try:
        yield
    finally:
        _setting = before


def current() -> Setting:
    return _setting


def workers() -> int:
    """Threads for work that comes in many items, each computed by one of them."""
    return processors.count() if _setting == "auto" else _setting


def recheck() -> None:
    """Between the parts of a long step: where it is slow already, as others have taken a processor, what is left of it
    goes on with fewer threads."""
    if _within:
        _within._recheck()


class Threads:
    """PyTorch's in a loop: `with threads:` around each step. `used` counts the steps by their number of threads."""

    def __init__(self, period: int = 1, spare: int = 0, fixed: bool = False):
        """period: steps after which their work repeats. spare: threads that others need meanwhile. fixed: no other
        number is tried, as where a GPU computes, or code that was compiled for this number."""
        most = min(_pytorchs(), processors.count()) if _setting == "auto" else _setting
        self.setting, self.used = _setting, Counter()
        self._most, self._period, self._fixed = max(1, most - spare), period, fixed or _setting != "auto"
        self._trials = None
        _set(self._most)

    def __enter__(self) -> None:
        global _within
        if not self._trials:
            self._trials = Trials(self._most, self._period, self._fixed, self._first())
        _set(self._trials.count)
        self._begun, _within = Reading.now(), self

    def __exit__(self, error: type | None, *_) -> None:
        global _within
        _within = None
        if error is None:
            now = Reading.now()
            self.used[self._trials.count] += 1
            self._trials.note(now.seconds_since(self._begun), now.room_since(self._begun))

    def _recheck(self) -> None:
        now = Reading.now()
        _set(self._trials.rest(now.seconds_since(self._begun), now.room_since(self._begun)))

    def _first(self) -> int:
        """As many as other programs leave a processor for, just before the first step."""
        room = None if self._fixed or self._most == 1 else processors.room(LOOK)
        return self._most if room is None else max(1, min(round(room), self._most))

    def each(self, made: Iterable[Item]) -> Iterator[Item]:
        """What is made, each of it a step."""
        made = iter(made)
        while True:
            try:
                with self:
                    one = next(made)
            except StopIteration:
                return
            yield one

    @property
    def about(self) -> dict:
        """For what an artifact says of itself; JSON."""
        return {"setting": self.setting, "steps": {str(count): self.used[count] for count in sorted(self.used)}}

    def __str__(self) -> str:
        steps = ", ".join(f"{count} in {steps} steps" for count, steps in sorted(self.used.items()))
        return f"threads: {self.setting}" + (f" ({steps})" if self.setting == "auto" else "")


def _set(count: int) -> None:
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)  # of this thread, and of those that begin later


@cache
def _pytorchs() -> int:
    """What PyTorch chose when it was loaded: one a core, where a core runs two threads."""
    import torch

    return torch.get_num_threads()
