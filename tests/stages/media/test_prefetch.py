"""Prefetching gives the same items in the same order and computes only a few in advance."""

import threading
import time

import pytest

from stages import threads
from stages.media.prefetch import batches, ordered_map, prefetched


def test_order_and_end():
    assert list(prefetched([])) == [] and list(prefetched([None, 0, False])) == [None, 0, False]
    assert list(prefetched(prefetched(range(50)))) == list(range(50))


def test_items_come_from_one_thread_with_a_bounded_buffer():
    made, where = [], set()

    def items():
        for i in range(10):
            made.append(i)
            where.add(threading.current_thread().name)
            yield i

    for i in prefetched(items()):
        assert len(made) <= i + 2
    assert len(where) == 1 and threading.current_thread().name not in where


def test_errors_are_raised_at_their_item():
    def items():
        yield 1
        raise ValueError("broken")

    stream = prefetched(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_stopping_early_ends_the_thread():
    before = threading.active_count()
    stream = prefetched(prefetched(iter(range(10**6))))
    next(stream)
    stream.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("count, sizes", [(0, []), (3, [3]), (8, [4, 4]), (9, [4, 4, 1])])
def test_batches(count, sizes):
    made = list(batches(range(count), 4))
    assert [len(batch) for batch in made] == sizes and sum(made, []) == list(range(count))


def test_ordered_map_keeps_the_order_with_a_bounded_buffer():
    taken = []

    def items():
        for i in range(40):
            taken.append(i)
            yield i

    def work(i):
        time.sleep(0.004 * (i % 3 == 0))
        return i * i

    results = ordered_map(work, items())
    assert next(results) == 0 and len(taken) <= 2 * threads.workers() + 1
    assert list(results) == [i * i for i in range(1, 40)] and list(ordered_map(work, [])) == []


def test_ordered_map_raises_errors():
    results = ordered_map(lambda i: 1 // (3 - i), range(10))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        list(results)
