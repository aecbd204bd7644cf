"""Processors: on how many this process may run, and how many of them other programs leave it."""

import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LIMIT = "OMP_NUM_THREADS"  # in the environment: the most that its user wants
CGROUPS = "sys/fs/cgroup", "sys/fs/cgroup/unified"  # version 2; beside other controllers of version 1


def count() -> int:
    """On so many this process may run at once: those of its affinity, its control group's quota, rounded up, and no
    more than OMP_NUM_THREADS."""
    return max(1, math.ceil(min(len(_own()), quota(), limit() or math.inf)))


def limit() -> int | None:
    """The first number of OMP_NUM_THREADS: OpenMP lists one a level of nesting."""
    found = re.match(r"\s*([1-9]\d*)", os.environ.get(LIMIT, ""))
    return int(found[1]) if found else None


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


@dataclass
class Reading:
    """Clocks of this process and of its processors, in seconds."""

    wall: float
    used: float         # by this process, all its threads together
    idle: float | None  # since the machine started, in which its processors had nothing to do; None where nothing tells

    @classmethod
    def now(cls) -> Self:
        return cls(time.perf_counter(), time.process_time(), idle())

    def seconds_since(self, begun: Self) -> float:
        return self.wall - begun.wall

    def room_since(self, begun: Self) -> float | None:
        """Processors that other programs left this process: those that it used, and those that had nothing to do."""
        if self.idle is None or begun.idle is None or self.wall <= begun.wall:
            return None
        return (self.used - begun.used + self.idle - begun.idle) / (self.wall - begun.wall)


def room(seconds: float) -> float | None:
    """Processors that other programs leave this process, looked at for so long; None where the system does not tell."""
    begun = Reading.now()
    if begun.idle is None:
        return None
    time.sleep(seconds)
    return Reading.now().room_since(begun)


def idle(root: Path = Path("/")) -> float | None:
    """Seconds, since the machine started, in which the processors of this process had nothing to do, all together."""
    own = {f"cpu{number}" for number in _own()}
    found = [line.split() for line in _words(root / "proc/stat", "\n") if line.split(" ", 1)[0] in own]
    return sum(int(line[4]) + int(line[5]) for line in found) / os.sysconf("SC_CLK_TCK") if found else None


def _own() -> set[int]:
    """Those of the affinity."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


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
