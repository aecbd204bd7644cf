"""Lines and progress bars in a terminal and in a file."""

import io
import sys

import pytest

from pipeline import terminal


class Screen(io.StringIO):
    def __init__(self, watched: bool):
        super().__init__()
        self.isatty = lambda: watched


def event(done: int, total: int | None = 2) -> dict:
    return {"kind": "progress", "what": "frames", "done": done, "total": total, "unit": "it", "elapsed": 1.0, "rate": 2.0,
            "note": None}


@pytest.mark.parametrize("watched, shown", [
    (True, ["a", "\rframes: half", "b", "\rframes: full", "c", "\rframes: some", "d"]),
    (False, ["a", "b", "frames: full", "c", "d"]),
])
def test_lines_and_bars(monkeypatch, watched, shown):
    screen = Screen(watched)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(terminal, "format_bar", lambda event, columns: f"frames: {event['name']}")
    half, full, again, some = (event(done, total) | {"name": name} for name, done, total in (
        ("half", 1, 2), ("full", 2, 2), ("again", 2, 2), ("some", 5, None)))
    for output in ("a", half, "b\n", full, again, "c", some, "d"):
        terminal.print_line(output) if isinstance(output, str) else terminal.draw_bar(output)
    assert screen.getvalue() == "".join(f"{line}\n" for line in shown)
