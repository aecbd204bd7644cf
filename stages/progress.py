"""Progress of a loop: a bar in the terminal or, if events are enabled, `progress` events."""

import io

from tqdm import tqdm

from stages import events

INTERVAL = 0.5  # seconds between two events


class Progress(tqdm):
    """A tqdm bar that writes events instead, if they are enabled."""

    def __init__(self, *arguments, **options):
        quiet = {"file": io.StringIO(), "mininterval": INTERVAL} if events.enabled() else {}
        super().__init__(*arguments, **options, **quiet)

    def display(self, msg=None, pos=None) -> None:
        if not events.enabled():
            super().display(msg, pos)
        elif msg is None:
            state = self.format_dict
            events.emit("progress", what=state["prefix"].removesuffix(": "), done=state["n"], total=state["total"],
                        unit=state["unit"], elapsed=state["elapsed"], rate=state["rate"], note=state["postfix"])


def percent(event: events.Event) -> float | None:
    """Percentage done; None if the total is unknown."""
    return 100 * min(event["done"] / event["total"], 1) if event["total"] else None


def format_counters(event: events.Event) -> str:
    """The text next to a bar: 540/1200 [01:10<01:25, 7.71step/s, l1=0.0345]"""
    layout = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]" if event["total"] else None
    return tqdm.format_meter(**_meter(event), bar_format=layout)


def format_bar(event: events.Event, columns: int) -> str:
    """The whole bar, one line of `columns` characters."""
    return tqdm.format_meter(**_meter(event), prefix=event["what"], ncols=columns)


def _meter(event: events.Event) -> dict:
    return {"n": event["done"], "total": event["total"], "elapsed": event["elapsed"], "rate": event["rate"],
            "unit": event["unit"], "postfix": event["note"]}
