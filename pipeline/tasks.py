"""One Prefect task a stage. A task asks DVC for its address: Prefect itself caches nothing."""

import time

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings

from pipeline import dvc
from stages import layout

TRAINING = ("generator_training", "local_gan_training")  # tagged `gpu`: a concurrency limit on it holds for them


def reproduce(address: str) -> bool:
    """Brings `stage@key` up to date; one line when it starts and one when it is done."""
    print(f"{address} ...", flush=True)
    start = time.monotonic()
    computed = dvc.reproduce(address)
    seconds = time.monotonic() - start
    done = f"done in {seconds:.1f} s" if computed else f"is up to date ({seconds:.1f} s)"
    print(address, done, flush=True)
    return computed


def worth_retrying(task: Task, run, state) -> bool:
    """Not where the stage refused its input: it would again."""
    error = state.result(raise_on_failure=False)
    return not getattr(error, "refused", False)


TASKS = {
    stage: Task(
        reproduce,
        name=stage,
        task_run_name="{address}",
        tags=[kind, "gpu" if stage in TRAINING else "cpu"],
        cache_policy=NO_CACHE,
        retry_condition_fn=worth_retrying,
        log_prints=get_current_settings().logging.log_prints,  # a task does not take it from its flow
    )
    for stage, kind in layout.KINDS.items()
}
