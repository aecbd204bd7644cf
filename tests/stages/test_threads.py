"""How many threads compute: those that are tried out, and those that are named."""

import pytest
import torch

from stages import InputError, processors, threads
from stages.threads import Threads


@pytest.fixture
def four(monkeypatch):
    """Four processors are available; PyTorch's number of threads is restored after the test."""
    before = torch.get_num_threads()
    monkeypatch.setattr(processors, "count", lambda: 4)
    monkeypatch.setattr(threads, "_default_threads", lambda: 8)
    monkeypatch.setattr(processors, "free_processors", lambda seconds: None)
    yield
    torch.set_num_threads(before)


def test_a_number_is_kept_to(four, monkeypatch):
    monkeypatch.delenv(processors.LIMIT, raising=False)
    with threads.using(3):
        own = Threads()
        for _ in range(20):
            with own:
                assert torch.get_num_threads() == 3
        assert threads.workers() == 3 and threads.current() == 3
    assert threads.current() == "auto" and own.about == {"setting": 3, "steps": {"3": 20}} and str(own) == "threads: 3"


def test_auto_says_what_it_used(four, monkeypatch):
    """Each thread costs a second."""
    now, seen = [0.0], []
    monkeypatch.setattr(processors.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(processors, "idle", lambda: None)

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


@pytest.mark.parametrize("room, first", [(0.2, 1), (1.2, 1), (2.8, 3), (15.0, 4), (None, 4)])
def test_it_starts_with_what_others_leave_just_before_the_first_step(four, monkeypatch, room, first):
    own, looked = Threads(), []
    monkeypatch.setattr(processors, "free_processors", lambda seconds: looked.append(seconds) or room)
    for _ in range(2):
        with own:
            assert torch.get_num_threads() == first
    assert looked == [threads.PROBE_SECONDS]
    with threads.using(1), Threads():
        assert len(looked) == 1  # a fixed number: nothing is measured
    with threads.using("auto"), Threads(fixed=True):
        assert torch.get_num_threads() == 4


def test_a_step_in_which_another_program_begins_goes_on_with_fewer(four, monkeypatch):
    """Four processors, one second per step; then another program uses three of them."""
    now, begins = [0.0], 40
    monkeypatch.setattr(processors.Reading, "now", lambda: processors.Reading(now[0], now[0], 3 * min(now[0], begins)))
    own = Threads()
    while now[0] < begins or torch.get_num_threads() < 4:
        with own:
            now[0] += 4 / torch.get_num_threads()
            threads.adapt_within_step()
    with own:
        now[0] += 20.0
        threads.adapt_within_step()
        assert torch.get_num_threads() == 1
    with own:
        assert torch.get_num_threads() == 1
    threads.adapt_within_step()  # outside of a step it does nothing


def test_a_step_that_fails_is_no_step(four):
    own = Threads()
    with pytest.raises(ZeroDivisionError), own:
        1 // 0
    assert not own.used


def test_where_nothing_else_may_be_tried(four, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(processors.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(processors, "idle", lambda: None)
    own = Threads(fixed=True)
    for _ in range(40):
        with own:
            now[0] += torch.get_num_threads()
    assert own.used == {4: 40}


def test_more_than_the_environment_allows_is_refused(monkeypatch):
    monkeypatch.setenv(processors.LIMIT, "2")
    with pytest.raises(InputError, match="threads: 3, but OMP_NUM_THREADS=2 .* allows fewer"), threads.using(3):
        pass
    with threads.using(2):
        pass
