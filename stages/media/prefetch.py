"""Working ahead: the next item of a stream is made in a thread while this one is used, in order and one at a time.

Decoders, encoders and networks let go of Python's lock, so the links of a chain of such streams run beside each other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from stages import threads

Item, Result = TypeVar("Item"), TypeVar("Result")


def prefetched(items: Iterable[Item]) -> Iterator[Item]:
    """The same items; at most two are waiting."""
    items, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` on every item by `threads.workers()` threads, a few items ahead of the reader."""
    workers = threads.workers()
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last one may be shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch
