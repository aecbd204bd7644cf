"""Shows a running stage in Prefect's UI: its lines as logs, its progress bars, and a table of its results.

A separate thread sends the data to the server, so that no stage waits for it. If the server cannot be reached, the
stage continues."""

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

REFRESH_SECONDS = 3.0  # how often bars are sent
EXIT_SECONDS = 5.0     # how long a finished stage waits for its last refresh

LOG = logging.getLogger(__name__)  # goes to the server only: the terminal has every line already
LOG.setLevel(logging.INFO)
LOG.propagate = False
LOG.addHandler(APILogHandler())


def log(text: str) -> None:
    """Prints a line to the terminal and adds it to the logs of the current Prefect run."""
    terminal.print_line(text)  # not print(), which Prefect may log too
    LOG.info(text)


class StageView:
    """The view of one stage, in the task run that enters this context manager."""

    def __init__(self, address: str):
        self.address = address
        self.computed = False  # set by the caller; only then results are shown
        self._bars: dict[str, tuple[float, str]] = {}  # label: percent, text
        self._sent: dict[str, tuple[float, str]] = {}
        self._artifacts: dict[str, UUID] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._refresh_loop,), daemon=True)

    def __enter__(self) -> "StageView":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        if self.computed:  # some bars never report their end
            self._bars = {label: (100.0, text) for label, (_, text) in self._bars.items()}
        self._ended.set()
        self._thread.join(EXIT_SECONDS)

    def on_event(self, event: Event) -> None:
        """Handles an event that the stage reports or a line that it prints."""
        if event["kind"] == "line" and event["text"]:
            LOG.info(event["text"])
        elif event["kind"] == "progress" and (done := percent(event)) is not None:
            label = event["what"].removeprefix(graph.split(self.address)[0]).strip(" :")  # the stage is known
            self._bars[label] = done, f"{label} {format_counters(event)}".strip()

    def _refresh_loop(self) -> None:
        ended = lost = False
        while not ended:
            ended = self._ended.wait(REFRESH_SECONDS)
            try:
                self.refresh()
                if ended and self.computed:
                    self._publish_results()
                lost = False
            except Exception as error:  # no error here may stop the stage
                if not lost:
                    print(f"{self.address}: progress is not shown in Prefect: {error}", file=sys.stderr)
                lost = True

    def refresh(self) -> None:
        """Sends the bars that have changed."""
        for label, state in dict(self._bars).items():
            if self._sent.get(label) == state:
                continue
            if label in self._artifacts:
                update_progress_artifact(self._artifacts[label], *state)
            else:
                self._artifacts[label] = create_progress_artifact(state[0], _key(self.address), state[1])
            self._sent[label] = state

    def _publish_results(self) -> None:
        if rows := inspect.results(self.address):
            create_table_artifact(rows, _key(f"{self.address} results"), inspect.format_cost(self.address))


def _key(text: str) -> str:
    """A valid key of a Prefect artifact: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
