"""The figures of a benchmark: measured values and their goals."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """`reached`: the measured value; None if it could not be measured, with the reason in `remark`. `goal`: None for
    values that are only shown for comparison. `at_most`: whether the goal is an upper limit."""

    what: str
    reached: float | None
    goal: float | None
    unit: str = ""
    at_most: bool = False
    remark: str = ""

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        if self.reached is None:
            return False
        return self.reached <= self.goal if self.at_most else self.reached >= self.goal

    def row(self) -> str:
        reached = "-" if self.reached is None else f"{self.reached:.4g}"
        if self.goal is None:
            return f"{self.what:<62}{reached:>10}   {self.unit:<21}{self.remark}"
        goal = f"{'<=' if self.at_most else '>='} {self.goal:g} {self.unit}"
        return f"{self.what:<62}{reached:>10}   {goal:<14}{'ok' if self.met else 'MISSED':<7}{self.remark}"


def argument_parser(doc: str, parts: Iterable[str]) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark that has several parts: which to run, and the folder to work in."""
    def some_parts(text: str) -> list[str]:
        if unknown := set(names := text.split(",")) - set(parts):
            raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        return names

    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--only", type=some_parts, default=list(parts), metavar="PART,...")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    return parser


def print_figures(figures: list[Figure]) -> int:
    """Prints every figure and how many reached their goal. Returns the exit status: 1 if a goal is missed."""
    for figure in figures:
        print(figure.row())
    goals = [figure for figure in figures if figure.goal is not None]
    missed = sum(not figure.met for figure in goals)
    print(f"{len(goals) - missed} of {len(goals)} reached")
    return 1 if missed else 0
