"""What can be seen of a stage in Prefect's view while it runs and afterwards: its lines among the run's logs, its
progress bars, and a table of what came out.

Nothing waits for the view: a thread shows it, and where the server cannot be reached the stage goes on unseen.
"""

import logging
import re
import sys
import threading
from contextvars import copy_context
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.logging.handlers import APILogHandler

from pipeline import graph, inspect, terminal
from stages.events import Event
from stages.progress import format_counters, percent

EVERY = 3.0     # seconds between two looks at the bars
PATIENCE = 5.0  # seconds that a stage which has ended waits for its view

LOG = logging.getLogger(__name__)  # to the server alone: the terminal has every line already
LOG.setLevel(logging.INFO)
LOG.propagate = False
LOG.addHandler(APILogHandler())


def tell(text: str) -> None:
    """To the terminal, and among the logs of the run that this is called in."""
    terminal.show(text)  # not print, which Prefect may take for a line of the logs itself
    LOG.info(text)


class StageView:
    """Of one stage, as long as it is entered, in the task run that enters it."""

    def __init__(self, address: str):
        self.address = address
        self.computed = False  # so that there is a result of its own to show
        self._bars: dict[str, tuple[float, str]] = {}  # the last state of each: percent, what it says
        self._shown: dict[str, tuple[float, str]] = {}
        self._made: dict[str, UUID] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._follow,), daemon=True)

    def __enter__(self) -> "StageView":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        if self.computed:  # not every bar that is left is left at its end
            self._bars = {what: (100.0, says) for what, (_, says) in self._bars.items()}
        self._ended.set()
        self._thread.join(PATIENCE)

    def hears(self, event: Event) -> None:
        """What the stage reports or prints."""
        if event["kind"] == "line" and event["text"]:
            LOG.info(event["text"])
        elif event["kind"] == "progress" and (done := percent(event)) is not None:
            what = event["what"].removeprefix(graph.split(self.address)[0]).strip(" :")  # the address says the rest
            self._bars[what] = done, f"{what} {format_counters(event)}".strip()

    def _follow(self) -> None:
        ended = lost = False
        while not ended:
            ended = self._ended.wait(EVERY)
            try:
                self.show()
                if ended and self.computed:
                    self._show_results()
                lost = False
            except Exception as error:  # whatever it is: the stage does not depend on it
                if not lost:
                    print(f"{self.address}: what it does is not shown in Prefect: {error}", file=sys.stderr)
                lost = True

    def show(self) -> None:
        """Brings the view up to date with the bars."""
        for what, state in dict(self._bars).items():
            if self._shown.get(what) == state:
                continue
            if what in self._made:
                update_progress_artifact(self._made[what], *state)
            else:
                self._made[what] = create_progress_artifact(state[0], _key(self.address), state[1])
            self._shown[what] = state

    def _show_results(self) -> None:
        if rows := inspect.results(self.address):
            create_table_artifact(rows, _key(f"{self.address} results"), inspect.cost(self.address))


def _key(text: str) -> str:
    """Prefect's keys have small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
