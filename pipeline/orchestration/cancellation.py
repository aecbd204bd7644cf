"""Cancel by Prefect (`prefect flow-run cancel`, its API): heard by the flow itself, because no worker looks after a run
that was started in a terminal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from pipeline.dvc_backend import dvc_client
from pipeline.polling import scaled_seconds

POLL_SECONDS = scaled_seconds(2.0)  # between two looks


@contextmanager
def cancellation_monitor() -> Iterator[threading.Event]:
    """Within it, the stages end as soon as somebody has cancelled this flow run; the event says whether that was so.
    Without a server of its own (PREFECT_API_URL) a flow is seen by nobody who could."""
    cancelled, over = threading.Event(), threading.Event()
    task = (_poll, runtime.flow_run.id, cancelled, over)
    watch = threading.Thread(target=copy_context().run, args=task, daemon=True)
    if PREFECT_API_URL.value():
        watch.start()
    try:
        yield cancelled
    finally:
        over.set()


def _poll(run: str, cancelled: threading.Event, over: threading.Event) -> None:
    with get_client(sync_client=True) as client:
        while not over.wait(POLL_SECONDS):
            with suppress(httpx.HTTPError, PrefectException):  # the server is away for a moment
                state = client.read_flow_run(run).state
                if state.is_cancelling() or state.is_cancelled():
                    cancelled.set()
                    dvc_client.stop_all()
                    return
