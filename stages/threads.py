"""How many threads compute: the `threads` of params.yaml.

Threads that share a computation wait for each other at its end. Where another program has the core of one of them, all
wait, and a step takes many times as long as one thread would. `auto` starts with a thread for each processor that has
nothing to do, and tries fewer or more while it runs. A number stays as it is: PyTorch adds up in as many parts as there are threads, and rounds
accordingly.
"""

import math
import os
import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from typing import Literal, TypeVar

from stages import InputError

Setting = Literal["auto"] | int
Item = TypeVar("Item")

LIMIT = "OMP_NUM_THREADS"  # in the environment: the most that its user wants
CGROUPS = "sys/fs/cgroup", "sys/fs/cgroup/unified"  # version 2; beside other controllers of version 1
TRIAL = 3        # steps at least, in whole rounds
REACH = 1 / 4, 1 / 2, 3 / 8, 1 / 8  # shares of the threads, by which trials differ in turn: what is near may be no better
WON = 0.95       # share of the usual time in which a trial must be done
LOST = 1.3       # of the usual time: a trial that takes longer is ended
SLOW = 2.0       # of the usual time: two such steps in a row, and a trial begins at once
WAIT = 1.0, 10.0  # seconds of steps from a lost trial to the next: at first, doubled each time, and at last
COST = 0.05      # share of the time that lost trials may take
FREE = 0.5       # processors that must have nothing to do, for each thread more
LATELY = 0.5     # seconds over which that is seen
BLIND = 60.0     # seconds of steps after which more are tried all the same: the other program may have ended

_setting: Setting = "auto"


@contextmanager
def chosen(setting: Setting) -> Iterator[None]:
    """Within it, this is how many threads compute. InputError where the environment allows fewer."""
    global _setting
    if setting != "auto" and (limit := _limit()) and setting > limit:
        raise InputError(f"params.yaml: threads: {setting}, but {LIMIT}={limit} in the environment allows fewer; expected "
                         f"`threads: auto` or at most {limit}, or {LIMIT} unset")
    before, _setting = _setting, setting
    try:
        yield
    finally:
        _setting = before


def current() -> Setting:
    return _setting


def workers() -> int:
    """Threads for work that comes in many items, each computed by one of them."""
    return processors() if _setting == "auto" else _setting


def processors() -> int:
    """On so many this process may run at once: those of its affinity, its control group's quota, rounded up, and no more
    than OMP_NUM_THREADS."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(own, quota(), _limit() or own)))


def idle() -> float | None:
    """Seconds, since the machine started, in which this process's processors had nothing to do, all together. None where
    the system does not tell."""
    own = {f"cpu{number}" for number in os.sched_getaffinity(0)} if hasattr(os, "sched_getaffinity") else set()
    found = [line.split() for line in _words(Path("/proc/stat"), "\n") if line.split(" ", 1)[0] in own]
    return sum(int(line[4]) + int(line[5]) for line in found) / os.sysconf("SC_CLK_TCK") if found else None


def quota(root: Path = Path("/")) -> float:
    """Processors that the control groups (Linux, version 1 or 2) of this process leave it; infinite without a limit."""
    shares = [math.inf]
    for line in _words(root / "proc/self/cgroup", "\n"):
        number, controllers, group = line.split(":", 2)
        if number == "0":
            for folder in _upwards(root, CGROUPS, group):
                shares += _share(*_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root, (f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"), group):
                shares += _share(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))
    return min(shares)


def _upwards(root: Path, mounts: tuple[str, ...], group: str) -> list[Path]:
    """The folders of a group and of all above it. In a container the group may be named as the host sees it, and is
    then the mount itself."""
    parts = Path(group.lstrip("/")).parts
    return [root.joinpath(mount, *parts[:depth]) for mount in mounts for depth in range(len(parts) + 1)]


def _share(allowed: str = "max", period: str = "100000") -> list[float]:
    return [int(allowed) / int(period)] if allowed.isdigit() else []


def _words(path: Path, separator: str | None = None) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return []
    return text.split(separator) if text else []


def _limit() -> int | None:
    """The first number of OMP_NUM_THREADS: OpenMP lists one a level of nesting."""
    found = re.match(r"\s*([1-9]\d*)", os.environ.get(LIMIT, ""))
    return int(found[1]) if found else None


_loaded = time.perf_counter(), idle()


class Threads:
    """PyTorch's in a loop: `with threads:` around each step. `used` counts the steps by their number of threads."""

    def __init__(self, period: int = 1, spare: int = 0, fixed: bool = False):
        """period: steps after which their work repeats. spare: threads that others need meanwhile. fixed: no other number
        is tried, as where a GPU computes, or code that was compiled for this number."""
        number = min(_pytorchs(), processors()) if _setting == "auto" else _setting
        self.setting, self.used = _setting, Counter()
        number, fixed = max(1, number - spare), fixed or _setting != "auto"
        self._trials = Trials(number, period, fixed, number if fixed else round(min(number, 1 + _free())))
        self._set()

    def _set(self) -> None:
        import torch

        if torch.get_num_threads() != self._trials.count:
            torch.set_num_threads(self._trials.count)  # of this thread, and of those that begin later

    def __enter__(self) -> None:
        self._set()
        self._begun = time.perf_counter(), idle()

    def __exit__(self, error: type | None, *_) -> None:
        if error is None:
            (begun, before), now, after = self._begun, time.perf_counter(), idle()
            free = None if before is None or now == begun else (after - before) / (now - begun)
            self.used[self._trials.count] += 1
            self._trials.note(now - begun, free)

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


def _free() -> float:
    """Processors that have had nothing to do since this module was loaded; infinite where the system does not tell."""
    (begun, before), now, after = _loaded, time.perf_counter(), idle()
    return math.inf if before is None or now == begun else (after - before) / (now - begun)


@cache
def _pytorchs() -> int:
    """What PyTorch chose when it was loaded: one a core, where a core runs two threads."""
    import torch

    return torch.get_num_threads()


class Trials:
    """The search for the number of threads that makes a step shortest: every now and then, and as soon as steps become
    slow, a few steps are taken with fewer or more."""

    def __init__(self, most: int, period: int = 1, fixed: bool = False, first: int | None = None):
        self.count = self._settled = first or most  # of the next step; and while no other is tried
        self._most, self._period = most, period
        self._fixed = fixed or most == 1
        self._usual = [deque(maxlen=3) for _ in range(period)]  # seconds of the last steps, by their place in a round
        self._blind = BLIND  # when more are tried whatever is free
        self._free = None  # processors that have nothing to do beside as many threads as were settled on
        self._slow, self._tried = [], []  # of steps in a row, over the usual; (place, seconds) of the trial's steps
        self._step, self._now, self._next, self._wait, self._by, self._lost = 0, 0.0, 0.0, WAIT[0], -1, 0

    def note(self, seconds: float, free: float | None = None) -> None:
        """A step with `count` threads took so long, in which so many processors had nothing to do."""
        place, self._now = self._step % self._period, self._now + seconds
        self._step += 1
        if self._fixed or self._step <= self._period:  # the first round warms up
            return
        if self.count == self._settled:
            if free is not None:
                before = free if self._free is None else self._free
                self._free = before + min(1, seconds / LATELY) * (free - before)
            self._watch(place, seconds)
        else:
            self._tried.append((place, seconds))
            self._judge()

    def _watch(self, place: int, seconds: float) -> None:
        usual = [median(times) if times else None for times in self._usual]
        self._usual[place].append(seconds)
        if None in usual:
            return
        self._slow = [*self._slow, seconds / usual[place]] if seconds > SLOW * usual[place] else []
        if len(self._slow) == 2 and self._settled > 1:  # somebody else is at work: all steps take longer now
            for times, one in zip(self._usual, usual):
                times.clear()
                times.append(one * sum(self._slow) / 2)
            self._begin(-1)
        elif self._now >= self._next:
            self._begin(self._by)

    def _begin(self, by: int) -> None:
        """A trial with fewer (-1) or more (1), or the other way where there are none."""
        self._by = by if 1 <= self._settled + by <= self._most else -by
        reach = max(1, round(REACH[self._lost // 2 % len(REACH)] * self._settled))  # to either side
        self.count = min(max(1, self._settled + self._by * reach), self._most)
        self._slow, self._tried = [], []
        full = self._free is not None and self._free < FREE * (self.count - self._settled)
        if full and self._now < self._blind:
            self.count, self._by = self._settled, -self._by

    def _judge(self) -> None:
        usual = sum(median(self._usual[place]) for place, _ in self._tried)
        spent = sum(seconds for _, seconds in self._tried)
        rounds = math.ceil(TRIAL / self._period)
        if spent < LOST * usual and len(self._tried) < rounds * self._period:
            return
        if spent < WON * usual:
            self._settled, self._free, self._wait, self._lost = self.count, None, WAIT[0], 0
            self._blind = self._now + BLIND
            for times in self._usual:
                times.clear()
            for place, seconds in self._tried:
                self._usual[place].append(seconds)
            further = 1 <= self._settled + self._by <= self._most
            self._next = self._now + (0 if further else self._wait)
        else:
            self.count, self._by, self._lost = self._settled, -self._by, self._lost + 1
            self._next = self._now + max(self._wait, (spent - usual) / COST)
            self._blind = self._next + BLIND
            self._wait = min(2 * self._wait, WAIT[1])
