"""One Prefect task a stage. A task asks DVC for its address, or a worker to do so: Prefect itself caches nothing."""

import time

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings

from pipeline import dvc, exchange, graph, remote
from stages import layout

TRAINING = ("generator_training", "local_gan_training")  # tagged `gpu`: a concurrency limit on it holds for them


def reproduce(address: str, where: str | None = None) -> bool:
    """Brings `stage@key` up to date, here or by a worker of the deployment `where`; one line when it starts and one
    when it is done."""
    print(f"{address} ...", flush=True)
    start = time.monotonic()
    computed = remote.reproduce(address, where) if where else dvc.reproduce(address)
    seconds = time.monotonic() - start
    done = f"done in {seconds:.1f} s" if computed else f"is up to date ({seconds:.1f} s)"
    print(address, done, flush=True)
    return computed


TASKS = {
    stage: Task(
        reproduce,
        name=stage,
        task_run_name="{address}",
        tags=[kind, "gpu" if stage in TRAINING else "cpu"],
        cache_policy=NO_CACHE,
        log_prints=get_current_settings().logging.log_prints,  # a task does not take it from its flow
    )
    for stage, kind in layout.KINDS.items()
}


def task(address: str, retries: int = 0, where: str | None = None) -> Task:
    """The task of an address, which is tried again `retries` times after a failure, and more often where a remote does
    not answer; not where the stage refused its input: it would again."""

    def worth_retrying(_, run, state) -> bool:
        error = state.result(raise_on_failure=False)
        if isinstance(error, exchange.Unreachable):
            return True
        return not getattr(error, "refused", False) and run.run_count <= retries

    more = {"retries": max(retries, len(exchange.DELAYS)), "retry_delay_seconds": exchange.DELAYS} if where else {}
    options = {"retries": retries, "retry_condition_fn": worth_retrying} | more
    return TASKS[graph.split(address)[0]].with_options(**options)


def _transport(work) -> Task:
    """A task of its own for what goes through the remote, whose every failure is worth trying again."""
    name = work.__name__
    return Task(work, name=name, task_run_name=f"{name} {{address}}", cache_policy=NO_CACHE,
                retries=len(exchange.DELAYS), retry_delay_seconds=exchange.DELAYS)


accept, deliver = _transport(exchange.accept), _transport(exchange.deliver)
