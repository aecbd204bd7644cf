"""Prints lines to the terminal, with the progress bar of the running stage below them."""

import shutil
import sys
import threading

from stages.events import Event
from stages.progress import format_bar, percent

_lock = threading.Lock()
_drawn = False  # whether the last line is an unfinished bar
_full = ""      # the label of the full bar in the last line


def print_line(line: str) -> None:
    """Prints a line, with or without its newline."""
    global _drawn, _full
    with _lock:
        sys.stdout.write("\n" * _drawn + line.removesuffix("\n") + "\n")
        sys.stdout.flush()
        _drawn, _full = False, ""


def draw_bar(event: Event) -> None:
    """Draws the bar of a progress event over the previous bar. If the output is no terminal, only full bars are
    printed."""
    global _drawn, _full
    full, is_terminal = percent(event) == 100, sys.stdout.isatty()
    if not (full or is_terminal) or (full and _full == event["what"]):  # a loop reports its end twice
        return
    with _lock:
        sys.stdout.write("\r" * is_terminal + format_bar(event, shutil.get_terminal_size().columns) + "\n" * full)
        sys.stdout.flush()
        _drawn, _full = not full, event["what"] if full else ""
