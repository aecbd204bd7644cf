"""On how many processors this process may run, and how many other programs leave it."""

import os
import subprocess
import sys
import time

import pytest

from stages import processors, threads
from stages.processors import Reading
from tests.server import wait_for

CGROUPS = {  # /proc/self/cgroup and files below /sys/fs/cgroup -> processors
    "no limit": ("0::/user.slice", {"user.slice/cpu.max": "max 100000"}, None),
    "no groups": (None, {}, None),
    "an empty list": ("\n", {}, None),
    "version 2": ("0::/", {"cpu.max": "150000 100000"}, 1.5),
    "of a group above": ("0::/a/b", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "50000 25000"}, 2),
    "version 1": ("4:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_quota_us": "300000",
                                       "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 3),
    "version 1, named by the host": ("4:cpu:/docker/f00", {"cpu/cpu.cfs_quota_us": "50000",
                                                            "cpu/cpu.cfs_period_us": "100000"}, 0.5),
    "version 1, no limit": ("4:cpu:/\n3:cpuset:/\n0::/", {"cpu/cpu.cfs_quota_us": "-1",
                                                           "cpu/cpu.cfs_period_us": "100000"}, None),
    "both versions": ("1:cpu:/\n0::/", {"unified/cpu.max": "max 100000", "cpu/cpu.cfs_quota_us": "200000",
                                        "cpu/cpu.cfs_period_us": "100000"}, 2),
}

SPIN = "import time\nend = time.monotonic() + 5\nwhile time.monotonic() < end: pass"  # ends by itself: it may have the processor alone


@pytest.mark.parametrize("groups, files, expected", CGROUPS.values(), ids=CGROUPS)
def test_the_quota_of_control_groups(tmp_path, groups, files, expected):
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in (files | ({"proc/self/cgroup": groups} if groups else {})).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert processors.quota(tmp_path) == (expected or float("inf"))


@pytest.mark.parametrize("affinity, quota, limit, expected", [
    (8, float("inf"), None, 8), (8, 2.5, None, 3), (8, 0.3, None, 1), (2, 16.0, None, 2), (8, 6.0, "4", 4),
    (2, 16.0, "4", 2), (8, 16.0, "3,2", 3), (8, 16.0, "many", 8), (8, 16.0, "0", 8)])
def test_as_many_as_affinity_quota_and_environment_allow(monkeypatch, affinity, quota, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(processors, "quota", lambda: quota)
    monkeypatch.delenv(processors.LIMIT, raising=False)
    if limit:
        monkeypatch.setenv(processors.LIMIT, limit)
    assert processors.count() == threads.workers() == expected


def test_the_time_in_which_processors_have_nothing_to_do():
    before, begun = processors.idle(), time.perf_counter()
    time.sleep(0.1)
    assert 0 <= processors.idle() - before <= (time.perf_counter() - begun) * os.cpu_count() + 0.05


def test_idle_counts_the_processors_of_the_affinity_and_waiting_for_a_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 10})
    assert processors.idle(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu 9 9 9 99 9\ncpu0 1 2 3 400 50 6\ncpu1 1 2 3 50 5\ncpu10 1 2 3 30 4\n")
    assert processors.idle(tmp_path) == 484 / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("used, idle, expected", [(2.0, 2.0, 2.0), (2.0, 0.0, 1.0), (0.5, 0.5, 0.5), (2.0, None, None)])
def test_the_room_is_what_the_process_uses_and_what_has_nothing_to_do(used, idle, expected):
    later = Reading(7.0, 3.0 + used, None if idle is None else 10.0 + idle)
    assert later.free_since(Reading(5.0, 3.0, 10.0)) == expected


def test_processors_that_another_process_uses_are_not_free_and_our_own_are():
    """Measured on one processor, which other programs of the machine may use too."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        other = subprocess.Popen([sys.executable, "-c", SPIN])
        try:
            wait_for(lambda: processors.free_processors(0.2) < 0.5, 20, "a lower number")  # it takes a while to start
        finally:
            other.kill()
            other.wait()
        begun = Reading.now()
        while time.perf_counter() < begun.wall + 0.1:
            pass
        now = Reading.now()
        assert now.free_since(begun) > 0.9 * (now.used - begun.used) / now.seconds_since(begun) > 0
    finally:
        os.sched_setaffinity(0, allowed)
