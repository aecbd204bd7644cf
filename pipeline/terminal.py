"""What a person sees of a run: whole lines, and the bar of what is at work below them."""

import shutil
import sys
import threading

from stages.events import Event
from stages.progress import format_bar, percent

_lock = threading.Lock()
_drawn = False  # whether the last line is a bar that still grows
_full = ""      # whose bar was full last, and stands in the last line


def show(line: str) -> None:
    """Prints a line, with or without its end."""
    global _drawn, _full
    with _lock:
        sys.stdout.write("\n" * _drawn + line.removesuffix("\n") + "\n")
        sys.stdout.flush()
        _drawn, _full = False, ""


def draw(event: Event) -> None:
    """Draws the bar of an event of progress over the one before; where nobody watches, once it is full."""
    global _drawn, _full
    over, watched = percent(event) == 100, sys.stdout.isatty()
    if not (over or watched) or (over and _full == event["what"]):  # a loop reports its end twice
        return
    with _lock:
        sys.stdout.write("\r" * watched + format_bar(event, shutil.get_terminal_size().columns) + "\n" * over)
        sys.stdout.flush()
        _drawn, _full = not over, event["what"] if over else ""
