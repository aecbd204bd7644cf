"""The progress of a loop: a bar in the terminal or, where another program listens, events."""

import io

from tqdm import tqdm

from stages import events

EVERY = 0.5  # seconds between two events


class Progress(tqdm):
    """tqdm, and used like it."""

    def __init__(self, *arguments, **options):
        quiet = {"file": io.StringIO(), "mininterval": EVERY} if events.enabled() else {}
        super().__init__(*arguments, **options, **quiet)

    def display(self, msg=None, pos=None) -> None:
        if not events.enabled():
            super().display(msg, pos)
        elif msg is None:
            now = self.format_dict
            events.emit("progress", what=now["prefix"].removesuffix(": "), done=now["n"], total=now["total"],
                        unit=now["unit"], elapsed=now["elapsed"], rate=now["rate"], note=now["postfix"])


def percent(event: events.Event) -> float | None:
    """How much is done; None where the total is not known."""
    return 100 * min(event["done"] / event["total"], 1) if event["total"] else None


def format_counters(event: events.Event) -> str:
    """What a bar says beside itself: 540/1200 [01:10<01:25, 7.71step/s, l1=0.0345]"""
    form = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]" if event["total"] else None
    return tqdm.format_meter(**_meter(event), bar_format=form)


def format_bar(event: events.Event, columns: int) -> str:
    """The whole bar, on one line."""
    return tqdm.format_meter(**_meter(event), prefix=event["what"], ncols=columns)


def _meter(event: events.Event) -> dict:
    return {"n": event["done"], "total": event["total"], "elapsed": event["elapsed"], "rate": event["rate"],
            "unit": event["unit"], "postfix": event["note"]}
