"""The number of threads that PyTorch uses, as set by `threads` in params.yaml.

Threads that share a computation wait for each other at its end. If another program uses the core of one of them, all
have to wait, and a step can take many times as long as with a single thread. With `auto`, a loop starts with one thread
for each processor that other programs leave free, and tries fewer or more threads while it runs (thread_trials.py). If
`threads` is a number, it is not changed: PyTorch splits sums into as many parts as there are threads, so the rounding of
results depends on their number.
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

PROBE_SECONDS = 0.2  # seconds before the first step in which the free processors are measured

_setting: Setting = "auto"
_current: "Threads | None" = None  # the object whose step is running; None between steps


@contextmanager
def using(setting: Setting) -> Iterator[None]:
    """Applies the setting inside the context. Raises InputError if the environment allows fewer threads."""
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
    """The number of threads for work that consists of many independent items, with one thread per item."""
    return processors.count() if _setting == "auto" else _setting


def adapt_within_step() -> None:
    """Called between the parts of a long step. Reduces the number of threads for the rest of the step if the step is
    already slow because other programs use the processors."""
    if _current:
        _current._adapt()


class Threads:
    """Sets PyTorch's number of threads in a loop: `with threads:` around each step. `used`: number of threads -> steps
    that used it."""

    def __init__(self, period: int = 1, spare: int = 0, fixed: bool = False):
        """period: number of steps after which the work of the steps repeats. spare: threads to leave for other work of
        this process. fixed: try no other numbers, for example because a GPU computes or because code was compiled for
        this number."""
        most = min(_default_threads(), processors.count()) if _setting == "auto" else _setting
        self.setting, self.used = _setting, Counter()
        self._most, self._period, self._fixed = max(1, most - spare), period, fixed or _setting != "auto"
        self._trials = None
        _set(self._most)

    def __enter__(self) -> None:
        global _current
        if not self._trials:
            self._trials = Trials(self._most, self._period, self._fixed, self._first())
        _set(self._trials.count)
        self._begun, _current = Reading.now(), self

    def __exit__(self, error: type | None, *_) -> None:
        global _current
        _current = None
        if error is None:
            now = Reading.now()
            self.used[self._trials.count] += 1
            self._trials.note(now.seconds_since(self._begun), now.free_since(self._begun))

    def _adapt(self) -> None:
        now = Reading.now()
        _set(self._trials.rest(now.seconds_since(self._begun), now.free_since(self._begun)))

    def _first(self) -> int:
        """The number of threads for the first step: one for each processor that other programs leave free."""
        free = None if self._fixed or self._most == 1 else processors.free_processors(PROBE_SECONDS)
        return self._most if free is None else max(1, min(round(free), self._most))

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items. Producing one item is one step."""
        items = iter(items)
        while True:
            try:
                with self:
                    item = next(items)
            except StopIteration:
                return
            yield item

    @property
    def about(self) -> dict:
        """The setting and the numbers of steps, as JSON for the metadata of an artifact."""
        return {"setting": self.setting, "steps": {str(count): self.used[count] for count in sorted(self.used)}}

    def __str__(self) -> str:
        steps = ", ".join(f"{count} in {steps} steps" for count, steps in sorted(self.used.items()))
        return f"threads: {self.setting}" + (f" ({steps})" if self.setting == "auto" else "")


def _set(count: int) -> None:
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)  # applies to this thread and to threads that start later


@cache
def _default_threads() -> int:
    """PyTorch's default number of threads: one per physical core, even if each core runs two hardware threads."""
    import torch

    return torch.get_num_threads()
