"""Stops the stages when the flow run is cancelled in Prefect (UI, `prefect flow-run cancel` or API).

The flow polls its own state, because no worker watches a run that was started in a terminal."""

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

POLL_SECONDS = scaled_seconds(2.0)


@contextmanager
def cancellation_monitor() -> Iterator[threading.Event]:
    """Within this context, the stages are terminated as soon as the flow run is cancelled. Yields an event that is set
    then. Without a server (PREFECT_API_URL) a run cannot be cancelled, and nothing is polled."""
    cancelled, finished = threading.Event(), threading.Event()
    arguments = (_poll, runtime.flow_run.id, cancelled, finished)
    thread = threading.Thread(target=copy_context().run, args=arguments, daemon=True)
    if PREFECT_API_URL.value():
        thread.start()
    try:
        yield cancelled
    finally:
        finished.set()


def _poll(run_id: str, cancelled: threading.Event, finished: threading.Event) -> None:
    with get_client(sync_client=True) as client:
        while not finished.wait(POLL_SECONDS):
            with suppress(httpx.HTTPError, PrefectException):  # the server may be unreachable for a moment
                state = client.read_flow_run(run_id).state
                if state.is_cancelling() or state.is_cancelled():
                    cancelled.set()
                    dvc_client.stop_all()
                    return
