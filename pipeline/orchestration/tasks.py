"""One Prefect task per stage. A task runs DVC on this machine or submits the stage to a worker. Prefect's result cache
is off."""

import time

from prefect import Task
from prefect.cache_policies import NO_CACHE

from pipeline import graph, ui
from pipeline.dvc_backend import dvc_client, subprocesses
from pipeline.workers import transfer, worker_client
from stages import events, layout
from stages.events import Event


def reproduce(address: str, deployment: str | None = None, timeout: float = dvc_client.TIMEOUT_MINUTES) -> bool:
    """Brings `stage@key` up to date, on this machine or on a worker of `deployment`, and logs a line at its start and
    at its end. timeout: minutes without output after which the stage is terminated. Returns whether it was computed."""
    ui.log(f"{address} ...")
    events.emit("started", address=address)
    start = time.monotonic()
    if deployment:
        computed = worker_client.reproduce(address, deployment, timeout)
    else:
        with ui.StageView(address) as view:

            def on_event(event: Event) -> None:
                view.on_event(event)
                if event["kind"] in ("progress", "line"):
                    events.emit(**event | {"address": address})

            view.computed = computed = dvc_client.reproduce(address, on_event=on_event, idle_timeout=timeout * 60)
    seconds = time.monotonic() - start
    events.emit("done", address=address, computed=computed, seconds=seconds)
    done = f"done in {seconds:.1f} s" if computed else f"is up to date ({seconds:.1f} s)"
    ui.log(f"{address} {done}")
    return computed


TASKS = {
    stage: Task(
        reproduce,
        name=stage,
        task_run_name="{address}",
        tags=[kind, "gpu" if stage in graph.TRAININGS else "cpu"],  # for Prefect's concurrency limits
        cache_policy=NO_CACHE,
    )
    for stage, kind in layout.KINDS.items()
}


def task_for(address: str, retries: int = 0, deployment: str | None = None) -> Task:
    """The task of a stage. It is retried `retries` times after a failure, and more often if a DVC remote does not
    respond. It is not retried if a retry would fail again or if all stages are being terminated."""

    def worth_retrying(_, run, state) -> bool:
        if subprocesses.shutting_down():
            return False
        error = _error_of(state)
        if isinstance(error, transfer.Unreachable):
            return True
        return not getattr(error, "permanent", False) and run.run_count <= retries

    options = {"retries": retries, "retry_condition_fn": worth_retrying}
    if deployment:
        options |= {"retries": max(retries, len(transfer.RETRY_DELAYS)), "retry_delay_seconds": transfer.RETRY_DELAYS}
    return TASKS[graph.split(address)[0]].with_options(**options)


def _transfer_task(function) -> Task:
    """A task for a function that uses the DVC remote, retried if that does not respond."""
    name = function.__name__
    return Task(function, name=name, task_run_name=f"{name} {{address}}", cache_policy=NO_CACHE,
                retries=len(transfer.RETRY_DELAYS), retry_delay_seconds=transfer.RETRY_DELAYS,
                retry_condition_fn=lambda _, run, state: isinstance(_error_of(state), transfer.Unreachable))


def _error_of(state):
    return state.result(raise_on_failure=False)


pull_inputs, push_result = _transfer_task(transfer.pull_inputs), _transfer_task(transfer.push_result)
