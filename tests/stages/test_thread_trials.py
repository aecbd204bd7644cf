"""The search for the number of threads, on simulated machines."""

import random

import pytest

from stages.thread_trials import Trials

MACHINES = {  # seconds per step by number of threads, measured on two cores or assumed; the best number
    "idle": ({1: 0.179, 2: 0.119}, 2),
    "one busy process": ({1: 0.185, 2: 0.5}, 1),
    "three": ({1: 0.207, 2: 0.31}, 1),
    "eight cores": ({n: 1 / n + 0.02 for n in range(1, 9)}, 8),
    "eight cores, of which three are busy": ({n: (1 if n < 6 else 2) / n for n in range(1, 9)}, 5),
    "sixty-four, of which few help": ({n: 1 / n + 0.005 * n for n in range(1, 65)}, 14),
}


TAKEN = {1: 0.2, 2: 5.0}  # another program uses one of two cores: the worst case measured


def spent(trials: Trials, machine: dict[int, float], seconds: float, noise: random.Random, free: float | None = None
          ) -> float:
    """Mean seconds per step over this time. Every fourth step is twice the work. free: free processors, if known."""
    now, steps = 0.0, 0
    while now < seconds or steps % 4:
        taken = machine[trials.count] * (1.6 if steps % 4 == 0 else 0.8) * noise.uniform(0.8, 1.2)
        trials.note(taken, free)
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
    busy = MACHINES["one busy process"][0]
    assert spent(trials, busy, 30, noise) < 1.15 * busy[1]  # includes the time until the change is noticed
    spent(trials, idle, 15, noise)
    assert spent(trials, idle, 30, noise) < 1.05 * idle[2]


@pytest.mark.parametrize("free", [1.0, 1.3])
@pytest.mark.parametrize("seconds", [20, 150])
def test_none_is_tried_that_others_leave_no_processor_for(free, seconds):
    """Neither the first time nor later: not one step of five seconds."""
    trials = Trials(2, 4, first=1)
    assert spent(trials, TAKEN, seconds, random.Random(0), free) < 1.05 * TAKEN[1]


@pytest.mark.parametrize("seed", range(3))
def test_one_slow_step_is_enough_where_others_take_a_processor(seed):
    trials, noise, idle = Trials(2, 4), random.Random(seed), MACHINES["idle"][0]
    spent(trials, idle, 10, noise, 2)
    steps = []
    while trials.count == 2:
        steps.append(trials.count)
        trials.note(TAKEN[2] * noise.uniform(0.8, 1.2), 1)
    assert len(steps) == 1 and spent(trials, TAKEN, 60, noise, 1) < 1.05 * TAKEN[1]


@pytest.mark.parametrize("seconds, free, fixed, rest", [
    (1.5, 1, False, 4), (2.5, 1.2, False, 1), (2.5, 2.9, False, 3), (2.5, 4, False, 4), (2.5, None, False, 4),
    (2.5, 1, True, 4)])
def test_what_is_left_of_a_slow_step_goes_on_with_fewer(seconds, free, fixed, rest):
    trials = Trials(4, fixed=fixed)
    assert trials.rest(100.0, 1) == 4  # where no step is usual yet
    for _ in range(2):
        trials.note(1.0, 4)
    assert trials.rest(seconds, free) == rest


def test_so_many_are_tried_as_there_is_room_for():
    trials = Trials(8, first=4)
    for _ in range(400):
        trials.note(1 / trials.count, 5.2)
        assert trials.count <= 5
    for _ in range(400):
        trials.note(1 / trials.count, 8)
    assert trials.count == 8
    trials.note(5.0, 3)
    assert trials.count == 3


@pytest.mark.parametrize("free", [None, 1.0, 2.0])
@pytest.mark.parametrize("slow", [0.5, 5.0])
def test_lost_trials_take_a_small_share_of_the_time(free, slow):
    """Also if the number of free processors is unknown or overestimated."""
    trials, busy = Trials(2, 4, first=1), {1: 0.2, 2: slow}
    assert spent(trials, busy, 600, random.Random(0), free) < 1.05 * busy[1]


def test_more_are_tried_at_once_where_there_is_room_again():
    trials, noise, idle = Trials(2, 4), random.Random(0), MACHINES["idle"][0]
    spent(trials, idle, 10, noise, 2)
    spent(trials, TAKEN, 20, noise, 1)
    spent(trials, idle, 3, noise, 2)
    assert trials.count == 2 and spent(trials, idle, 30, noise, 2) < 1.03 * idle[2]


def test_more_are_tried_now_and_then_without_room_as_others_may_give_way():
    trials, noise, idle = Trials(2, 4, first=1), random.Random(0), MACHINES["idle"][0]
    spent(trials, idle, 240, noise, 1)
    assert trials.count == 2
    spent(trials, TAKEN, 20, noise, 1)
    assert spent(trials, TAKEN, 600, noise, 1) < 1.03 * TAKEN[1]
