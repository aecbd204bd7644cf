"""How many threads compute: as many as the machine gives, those that are tried out, and those that are named."""

import os
import random
import time

import pytest
import torch

from stages import InputError, threads
from stages.threads import Threads, Trials

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


@pytest.mark.parametrize("groups, files, expected", CGROUPS.values(), ids=CGROUPS)
def test_the_quota_of_control_groups(tmp_path, groups, files, expected):
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in (files | ({"proc/self/cgroup": groups} if groups else {})).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert threads.quota(tmp_path) == (expected or float("inf"))


@pytest.mark.parametrize("affinity, quota, limit, expected", [
    (8, float("inf"), None, 8), (8, 2.5, None, 3), (8, 0.3, None, 1), (2, 16.0, None, 2), (8, 6.0, "4", 4),
    (2, 16.0, "4", 2), (8, 16.0, "3,2", 3), (8, 16.0, "many", 8), (8, 16.0, "0", 8)])
def test_as_many_as_affinity_quota_and_environment_allow(monkeypatch, affinity, quota, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(threads, "quota", lambda: quota)
    monkeypatch.delenv(threads.LIMIT, raising=False)
    if limit:
        monkeypatch.setenv(threads.LIMIT, limit)
    assert threads.processors() == threads.workers() == expected


MACHINES = {  # seconds of a step by the number of threads, measured on two cores or supposed; the best
    "idle": ({1: 0.179, 2: 0.119}, 2),
    "one busy process": ({1: 0.185, 2: 0.5}, 1),
    "three": ({1: 0.207, 2: 0.31}, 1),
    "eight cores": ({n: 1 / n + 0.02 for n in range(1, 9)}, 8),
    "eight cores, of which three are busy": ({n: (1 if n < 6 else 2) / n for n in range(1, 9)}, 5),
    "sixty-four, of which few help": ({n: 1 / n + 0.005 * n for n in range(1, 65)}, 14),
}


def spent(trials: Trials, machine: dict[int, float], seconds: float, noise: random.Random, free: float | None = None
          ) -> float:
    """Mean seconds a step over so long; every fourth is twice the work. free: processors for which one thread leaves
    nothing to do."""
    now, steps = 0.0, 0
    while now < seconds or steps % 4:
        taken = machine[trials.count] * (1.6 if steps % 4 == 0 else 0.8) * noise.uniform(0.8, 1.2)
        trials.note(taken, free if free is None else max(0, free + 1 - trials.count))
        now, steps = now + taken, steps + 1
    return now / steps


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("seed", range(3))
def test_the_number_that_makes_steps_short_is_found_and_kept(name, seed):
    machine, best = MACHINES[name]
    trials, noise = Trials(max(machine), 4), random.Random(seed)
    spent(trials, machine, 20, noise)
    assert spent(trials, machine, 60, noise) < 1.08 * machine[best]


def test_it_follows_what_others_leave():
    trials, noise, idle = Trials(2, 4), random.Random(0), MACHINES["idle"][0]
    assert spent(trials, idle, 30, noise) < 1.05 * idle[2]
    assert spent(trials, MACHINES["one busy process"][0], 30, noise) < 1.15 * 0.185  # with what it takes to notice
    spent(trials, idle, 15, noise)
    assert spent(trials, idle, 30, noise) < 1.05 * idle[2]


def test_more_are_tried_where_processors_are_free_and_at_once():
    trials, noise, idle, busy = Trials(2, 4), random.Random(0), MACHINES["idle"][0], {1: 0.2, 2: 5.0}
    spent(trials, idle, 10, noise, 1)
    spent(trials, busy, 20, noise, 0)  # notices
    assert spent(trials, busy, 30, noise, 0) < 1.02 * busy[1]  # not one step of five seconds
    spent(trials, idle, 3, noise, 1)
    assert trials.count == 2 and spent(trials, idle, 30, noise, 1) < 1.03 * idle[2]


def test_more_are_tried_now_and_then_where_others_have_the_processors_but_give_way():
    trials, noise, idle = Trials(2, 4), random.Random(0), MACHINES["idle"][0]
    spent(trials, {1: 0.2, 2: 5.0}, 20, noise, 0)
    spent(trials, idle, 70, noise, 0)
    assert trials.count == 2 and spent(trials, {1: 0.2, 2: 5.0}, 600, noise, 0) < 1.1 * 0.2


def test_the_time_in_which_processors_have_nothing_to_do():
    before, begun = threads.idle(), time.perf_counter()
    time.sleep(0.1)
    assert 0 <= threads.idle() - before <= (time.perf_counter() - begun) * os.cpu_count() + 0.05


@pytest.fixture
def four(monkeypatch):
    """A machine that gives four threads; PyTorch's number is put back."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "processors", lambda: 4)
    monkeypatch.setattr(threads, "_pytorchs", lambda: 8)
    monkeypatch.setattr(threads, "_free", lambda: float("inf"))
    yield
    torch.set_num_threads(before)


def test_a_number_is_kept_to(four, monkeypatch):
    monkeypatch.delenv(threads.LIMIT, raising=False)
    with threads.chosen(3):
        own = Threads()
        for _ in range(20):
            with own:
                assert torch.get_num_threads() == 3
        assert threads.workers() == 3 and threads.current() == 3
    assert threads.current() == "auto" and own.about == {"setting": 3, "steps": {"3": 20}} and str(own) == "threads: 3"


def test_auto_says_what_it_used(four, monkeypatch):
    """Each thread costs a second."""
    now, seen = [0.0], []
    monkeypatch.setattr(threads.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(threads, "idle", lambda: None)

    def made():
        for step in range(40):
            seen.append(torch.get_num_threads())
            now[0] += seen[-1]
            yield step

    own = Threads(spare=1)
    for step in own.each(made()):
        now[0] += 10.0  # between steps: does not count
    assert seen[:2] == [3, 3] and seen[-1] == 1 and step == 39
    assert own.about == {"setting": "auto", "steps": {str(count): seen.count(count) for count in sorted(set(seen))}}
    assert str(own).startswith(f"threads: auto (1 in {seen.count(1)} steps, ")


@pytest.mark.parametrize("free, first", [(0.2, 1), (1.8, 3), (15.0, 4)])
def test_it_starts_with_what_is_free(four, monkeypatch, free, first):
    monkeypatch.setattr(threads, "_free", lambda: free)
    with Threads():
        assert torch.get_num_threads() == first
    with threads.chosen("auto"), Threads(fixed=True):
        assert torch.get_num_threads() == 4


def test_a_step_that_fails_is_no_step(four):
    own = Threads()
    with pytest.raises(ZeroDivisionError), own:
        1 // 0
    assert not own.used


def test_where_nothing_else_may_be_tried(four, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(threads, "idle", lambda: None)
    own = Threads(fixed=True)
    for _ in range(40):
        with own:
            now[0] += torch.get_num_threads()
    assert own.used == {4: 40}


def test_more_than_the_environment_allows_is_refused(monkeypatch):
    monkeypatch.setenv(threads.LIMIT, "2")
    with pytest.raises(InputError, match="threads: 3, but OMP_NUM_THREADS=2 .* allows fewer"), threads.chosen(3):
        pass
    with threads.chosen(2):
        pass
