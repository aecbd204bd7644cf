"""One Prefect task a stage. A task asks DVC for its address, or a worker to do so: Prefect itself caches nothing."""

import time

from prefect import Task
from prefect.cache_policies import NO_CACHE

from pipeline import graph, ui
from pipeline.dvc_backend import dvc_client, subprocesses
from pipeline.workers import transfer, worker_client
from stages import events, layout
from stages.events import Event

TRAINING = ("generator_training", "local_gan_training")  # tagged `gpu`: a concurrency limit on it holds for them


def reproduce(address: str, where: str | None = None, timeout: float = dvc_client.TIMEOUT_MINUTES) -> bool:
    """Brings `stage@key` up to date, here or by a worker of the deployment `where`; one line when it starts and one
    when it is done. `timeout`: minutes without a sign of life after which a stage is ended."""
    ui.log(f"{address} ...")
    events.emit("started", address=address)
    start = time.monotonic()
    if where:
        computed = worker_client.reproduce(address, where, timeout)
    else:
        with ui.StageView(address) as watch:

            def on_event(event: Event) -> None:
                watch.on_event(event)
                if event["kind"] in ("progress", "line"):
                    events.emit(**event | {"address": address})

            watch.computed = computed = dvc_client.reproduce(address, on_event=on_event, idle_timeout=timeout * 60)
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
        tags=[kind, "gpu" if stage in TRAINING else "cpu"],
        cache_policy=NO_CACHE,
    )
    for stage, kind in layout.KINDS.items()
}


def task_for(address: str, retries: int = 0, where: str | None = None) -> Task:
    """The task of an address, which is tried again `retries` times after a failure, and more often where a remote does
    not answer; not where the stage refused its input: it would again, and not where all is being ended."""

    def worth_retrying(_, run, state) -> bool:
        if subprocesses.shutting_down():
            return False
        error = _error_of(state)
        if isinstance(error, transfer.Unreachable):
            return True
        return not getattr(error, "permanent", False) and run.run_count <= retries

    more = {"retries": max(retries, len(transfer.RETRY_DELAYS)), "retry_delay_seconds": transfer.RETRY_DELAYS} if where else {}
    options = {"retries": retries, "retry_condition_fn": worth_retrying} | more
    return TASKS[graph.split(address)[0]].with_options(**options)


def _transfer_task(work) -> Task:
    """A task of its own for what goes through the remote, tried again where that does not answer."""
    name = work.__name__
    return Task(work, name=name, task_run_name=f"{name} {{address}}", cache_policy=NO_CACHE,
                retries=len(transfer.RETRY_DELAYS), retry_delay_seconds=transfer.RETRY_DELAYS,
                retry_condition_fn=lambda _, run, state: isinstance(_error_of(state), transfer.Unreachable))


def _error_of(state):
    return state.result(raise_on_failure=False)


pull_inputs, push_result = _transfer_task(transfer.pull_inputs), _transfer_task(transfer.push_result)
