"""Prefetching: threads compute the next items of a stream while the current one is used. The order is kept.

Decoders, encoders and networks release the GIL, so that the steps of a chain of such streams run in parallel.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from stages import threads

Item, Result = TypeVar("Item"), TypeVar("Result")


def prefetched(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, computed in a thread; at most two are buffered."""
    items, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, end)
        while (item := future.result()) is not end:
            future = thread.submit(next, items, end)
            yield item


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of every item in order, computed by `threads.workers()` threads, a few items in advance."""
    workers = threads.workers()
    with ThreadPoolExecutor(workers) as pool:
        pending = deque()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last one may be shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch
