"""The number of processors on which this process may run, and how many of them other programs leave free.

A processor is what the operating system schedules threads on, a hardware thread.
"""

import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LIMIT = "OMP_NUM_THREADS"  # environment variable with the user's maximum number of threads
CGROUPS = "sys/fs/cgroup", "sys/fs/cgroup/unified"  # mount points of version 2: alone, and next to version 1


def count() -> int:
    """The number of processors that this process may use at once, at least 1: the smallest of its CPU affinity, the
    quota of its control group (rounded up) and OMP_NUM_THREADS."""
    return max(1, math.ceil(min(len(_own()), quota(), limit() or math.inf)))


def limit() -> int | None:
    """The first number in OMP_NUM_THREADS, which lists one for each nesting level; None if there is none."""
    found = re.match(r"\s*([1-9]\d*)", os.environ.get(LIMIT, ""))
    return int(found[1]) if found else None


def quota(root: Path = Path("/")) -> float:
    """The CPU quota of this process's control groups (Linux, version 1 or 2), in processors; infinite if unlimited."""
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


@dataclass
class Reading:
    """CPU times at one moment, in seconds."""

    wall: float
    used: float         # CPU time of this process, summed over its threads
    idle: float | None  # idle time of its processors, summed, since the machine started; None if unknown

    @classmethod
    def now(cls) -> Self:
        return cls(time.perf_counter(), time.process_time(), idle())

    def seconds_since(self, begun: Self) -> float:
        return self.wall - begun.wall

    def free_since(self, begun: Self) -> float | None:
        """The mean number of processors since `begun` that this process used or that were idle; None if unknown."""
        if self.idle is None or begun.idle is None or self.wall <= begun.wall:
            return None
        return (self.used - begun.used + self.idle - begun.idle) / (self.wall - begun.wall)


def free_processors(seconds: float) -> float | None:
    """The number of processors that other programs leave to this process, measured for `seconds`; None if unknown."""
    begun = Reading.now()
    if begun.idle is None:
        return None
    time.sleep(seconds)
    return Reading.now().free_since(begun)


def idle(root: Path = Path("/")) -> float | None:
    """The idle time of this process's processors, summed, in seconds since the machine started (Linux); else None."""
    own = {f"cpu{number}" for number in _own()}
    found = [line.split() for line in _words(root / "proc/stat", "\n") if line.split(" ", 1)[0] in own]
    return sum(int(line[4]) + int(line[5]) for line in found) / os.sysconf("SC_CLK_TCK") if found else None


def _own() -> set[int]:
    """The numbers of the processors in this process's CPU affinity."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _upwards(root: Path, mounts: tuple[str, ...], group: str) -> list[Path]:
    """The folders of a control group and of its parents. In a container the group may have the path that it has on the
    host; only the mount itself exists then."""
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
