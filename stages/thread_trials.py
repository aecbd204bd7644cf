"""Searches for the number of threads with which a step takes the least time.

The settled number is the one in use. A trial runs a few steps with another number. If these steps are faster, that
number becomes the settled one; otherwise the trial is lost, and the next one starts later. The usual time of a step is
the median of its last times with the settled number. `period` steps are a round: the same place in each round does the
same work, so times are only compared with those of the same place. `free` is the mean number of processors that
other programs leave to this process.
"""

import math
from collections import deque
from statistics import median

TRIAL = 3        # minimum number of steps of a trial, rounded up to whole rounds
REACH = 1 / 4, 1 / 2, 3 / 8, 1 / 8  # distances of trials, shares of the settled number; the next after two lost trials
WON = 0.95       # a trial must take less than this share of the usual time to be won
LOST = 1.3       # a trial is ended early if it takes longer than this multiple of the usual time
SLOW = 2.0       # a step is slow above this multiple of the usual time. A trial starts after one slow step if fewer
                 # processors than the settled number are free, else after two in a row
WAIT = 1.0, 10.0  # seconds of steps after a lost trial: first and maximum value; doubled after each lost trial
COST = 0.03      # maximum share of the time that lost trials may waste
AVERAGED = 0.3   # seconds; time constant of the running mean of the free processors
RETRY = 180.0    # seconds of steps after which more threads are tried even if no processor is free: the other program
                 # may yield


class Trials:
    """Starts trials from time to time, and as soon as steps become slow. More threads are normally tried only if
    processors are free, because a single step with one thread too many can take as long as forty other steps."""

    def __init__(self, most: int, period: int = 1, fixed: bool = False, first: int | None = None):
        self.count = self._settled = first or most  # count: for the next step; _settled: when no trial runs
        self._most, self._period = most, period
        self._fixed = fixed or most == 1
        self._usual = [deque(maxlen=3) for _ in range(period)]  # by place in the round: seconds of the last steps
        self._retry = RETRY  # time from which on more threads are tried even if no processor is free
        self._free = None  # running mean; None if unknown
        self._slow, self._tried = [], []  # slow steps in a row, in usual times; (place, seconds) of the trial's steps
        self._step, self._now, self._next, self._wait, self._by, self._lost = 0, 0.0, 0.0, WAIT[0], -1, 0

    def note(self, seconds: float, free: float | None = None) -> None:
        """Records a step with `count` threads: its duration, and the mean number of free processors during it (None if
        unknown)."""
        place, self._now = self._step % self._period, self._now + seconds
        self._step += 1
        if free is not None:
            before = free if self._free is None else self._free
            self._free = before + min(1, seconds / AVERAGED) * (free - before)
        if self._fixed or self._step <= self._period:  # the first round warms up
            return
        if self.count == self._settled:
            self._watch(place, seconds)
        else:
            self._tried.append((place, seconds))
            self._evaluate()

    def rest(self, seconds: float, free: float | None) -> int:
        """The number of threads for the rest of a step that has already taken `seconds`: fewer if the step is slow and
        too few processors are free."""
        usual = self._usual[self._step % self._period]
        if self._fixed or not usual or seconds < SLOW * median(usual):
            return self.count
        return min(self.count, self._fitting(free))

    def _fitting(self, free: float | None) -> int:
        """The number of threads for which processors are free, from 1 to the maximum."""
        return self._most if free is None else min(max(1, math.floor(free + 0.5)), self._most)

    def _watch(self, place: int, seconds: float) -> None:
        usual = [median(times) if times else None for times in self._usual]
        self._usual[place].append(seconds)
        if None in usual:
            return
        self._slow = [*self._slow, seconds / usual[place]] if seconds > SLOW * usual[place] else []
        fitting = self._fitting(self._free)
        others = fitting < self._settled
        if self._slow and (others or len(self._slow) == 2) and self._settled > 1:  # scale the usual times of all places
            for times, one in zip(self._usual, usual):
                times.clear()
                times.append(one * sum(self._slow) / len(self._slow))
            self._begin(-1, fitting if others else None)
        elif self._now >= self._next:
            self._begin(self._by)

    def _begin(self, by: int, count: int | None = None) -> None:
        """Starts a trial with `count` threads or, without `count`, with fewer (by = -1) or more (by = 1) than the
        settled number. If that direction is not possible, the other one is used."""
        self._by = by if 1 <= self._settled + by <= self._most else -by
        reach = max(1, round(REACH[self._lost // 2 % len(REACH)] * self._settled))  # difference from the settled number
        self.count = count or min(max(1, self._settled + self._by * reach), self._most)
        self._slow, self._tried = [], []
        if self._by > 0 and self._now < self._retry:
            self.count = max(self._settled, min(self.count, self._fitting(self._free)))
        if self.count == self._settled:
            self._by = -self._by

    def _evaluate(self) -> None:
        usual = sum(median(self._usual[place]) for place, _ in self._tried)
        spent = sum(seconds for _, seconds in self._tried)
        rounds = math.ceil(TRIAL / self._period)
        if spent < LOST * usual and len(self._tried) < rounds * self._period:
            return
        if spent < WON * usual:
            self._settled, self._wait, self._lost = self.count, WAIT[0], 0
            self._retry = self._now + RETRY
            for times in self._usual:
                times.clear()
            for place, seconds in self._tried:
                self._usual[place].append(seconds)
            further = 1 <= self._settled + self._by <= self._most
            self._next = self._now + (0 if further else self._wait)
        else:
            self.count, self._by, self._lost = self._settled, -self._by, self._lost + 1
            self._next = self._now + max(self._wait, (spent - usual) / COST)
            self._retry = self._next + RETRY
            self._wait = min(2 * self._wait, WAIT[1])
