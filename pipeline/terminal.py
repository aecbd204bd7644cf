"""What a person sees of a run: whole lines, and the bar of what is at work below them."""

import shutil
import sys
import threading

from stages.events import Event
from stages.progress import bar, percent

_lock = threading.Lock()
_drawn = False  # whether the last line is a bar


def show(line: str) -> None:
    """Prints a line, with or without its end."""
    global _drawn
    with _lock:
        sys.stdout.write("\n" * _drawn + line.removesuffix("\n") + "\n")
        sys.stdout.flush()
        _drawn = False


def draw(event: Event) -> None:
    """Draws the bar of an event of progress over the one before; where nobody watches, once it is full."""
    global _drawn
    over, watched = percent(event) == 100, sys.stdout.isatty()
    if not (over or watched):
        return
    with _lock:
        sys.stdout.write("\r" * watched + bar(event, shutil.get_terminal_size().columns) + "\n" * over)
        sys.stdout.flush()
        _drawn = not over
