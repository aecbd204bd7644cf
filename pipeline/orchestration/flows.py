"""The Prefect flows that the command line starts: some transfers (copy_motion), all transfers (copy_all), or one stage
(stage), each with all stages that it depends on."""

from collections.abc import Iterable
from contextlib import suppress
from graphlib import TopologicalSorter
from queue import SimpleQueue

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled

from pipeline import graph, inspect, ui
from pipeline.dvc_backend import dvc_client, subprocesses
from pipeline.orchestration.cancellation import cancellation_monitor
from pipeline.orchestration.tasks import task_for
from pipeline.workers import worker_client
from stages import params


def _title() -> str:
    """The name of a run in Prefect's UI."""
    parameters = flow_run.parameters
    sources = [parameters["source"]] if isinstance(parameters["source"], str) else parameters["source"]
    return f"{parameters['target']} from {', '.join(sources)}"


@flow(name="copy_motion", flow_run_name=_title)
def copy_motion(target: str, source: str | list[str], key: str | None = None, retries: int = 0, jobs: int = 1,
                pool: str | None = None, timeout: float = dvc_client.TIMEOUT_MINUTES) -> list[str] | State:
    """Runs the transfers from one or several source videos to the person `target`. Returns their keys.

    With source == target the held-out part is reconstructed. `key` chooses a transfer if params.yaml has several. pool:
    the Prefect work pool whose workers run the trainings. timeout: minutes without output after which a stage is
    terminated."""
    config = params.load()
    sources = [source] if isinstance(source, str) else source
    keys = [graph.transfer(config, target, one, key) for one in sources]
    return run_transfers(config, keys, retries, jobs, pool, timeout)


@flow(name="copy_all", flow_run_name="every transfer")
def copy_all(retries: int = 0, jobs: int = 1, pool: str | None = None,
             timeout: float = dvc_client.TIMEOUT_MINUTES) -> list[str] | State:
    """Runs all transfers in params.yaml. Returns their keys."""
    config = params.load()
    return run_transfers(config, config.transfers, retries, jobs, pool, timeout)


@flow(name="stage", flow_run_name="{address}")
def stage(address: str, retries: int = 0, jobs: int = 1, pool: str | None = None,
          timeout: float = dvc_client.TIMEOUT_MINUTES) -> State | None:
    """Runs one stage, such as generator_training@ava, and before it the stages that it depends on and that are not up
    to date."""
    return bring_up_to_date(graph.plan(params.load(), [address]), retries, jobs, pool, timeout)


def run_transfers(config: params.Params, keys: Iterable[str], retries: int, jobs: int, pool: str | None,
                  timeout: float) -> list[str] | State:
    """Runs these transfers and prints their results."""
    if cancelled := bring_up_to_date(graph.plan(config, graph.goals(keys)), retries, jobs, pool, timeout):
        return cancelled
    for key in keys:
        ui.log(inspect.summary(key))
    return list(keys)


def bring_up_to_date(plan: dict[str, list[str]], *options) -> State | None:
    """Runs the stages of a plan that are not up to date (see `run_plan`), and writes dvc.lock. All stages are checked
    first, so that Prefect tasks and DVC processes start only for those that may have to run."""
    left = dvc_client.pending(plan)
    ui.log(f"{len(plan) - len(left)} of {len(plan)} stages are up to date")
    try:
        cancelled = run_plan(left, *options)
    except BaseException:
        with suppress(dvc_client.StageFailed):  # the first error is the one to raise
            dvc_client.update_dvc_lock()
        raise
    dvc_client.update_dvc_lock()
    return cancelled


def run_plan(plan: dict[str, list[str]], retries: int = 0, jobs: int = 1, pool: str | None = None,
             timeout: float = dvc_client.TIMEOUT_MINUTES) -> State | None:
    """Runs all stages of a plan. Returns the final state of the flow if it was cancelled. After a failed stage, the
    stages that do not depend on it still run; then its error is raised. No stage is running when this function ends."""
    deployment = worker_client.find_deployment(pool) if pool else None
    with cancellation_monitor() as cancelled:
        try:
            failed = _run_in_order(plan, retries, jobs, deployment, timeout)
        except BaseException:  # Ctrl-C, or the SIGTERM that Prefect sends to a worker's process to cancel it
            dvc_client.stop_all()
            raise
    if cancelled.is_set():
        return Cancelled(message="Cancelled; finished stages are kept.")
    for future in failed:
        future.result()  # raises the task's error


def _run_in_order(plan: dict[str, list[str]], retries: int, jobs: int, deployment: str | None, timeout: float) -> list:
    """Starts each stage when those it depends on are done. At most `jobs` run on this machine; trainings run without a
    limit at the workers of `deployment`, if it is given. Returns the futures of failed stages."""
    order = {address: number for number, address in enumerate(plan)}
    sorter, futures, ready, done = TopologicalSorter(plan), {}, [], SimpleQueue()
    sorter.prepare()
    num_local, num_running, failed = 0, 0, []  # stages that run on this machine, and in total
    while True:
        ready = [] if subprocesses.shutting_down() else sorted([*ready, *sorter.get_ready()], key=order.get)
        waiting = []
        for address in ready:
            remote = deployment if graph.split(address)[0] in graph.TRAININGS else None
            if not remote and num_local >= jobs:
                waiting.append(address)
                continue
            before = [futures[needed] for needed in plan[address]]
            futures[address] = task_for(address, retries, remote).submit(address, remote, timeout, wait_for=before)
            futures[address].add_done_callback(lambda _, item=(address, remote): done.put(item))
            num_local, num_running = num_local + (not remote), num_running + 1
        ready = waiting
        if not num_running:
            break
        address, remote = done.get()
        num_local, num_running = num_local - (not remote), num_running - 1
        futures[address].wait()  # updates the state of the future
        if futures[address].state.is_completed():
            sorter.done(address)
            if graph.split(address)[0] in graph.TRAININGS:
                with suppress(dvc_client.StageFailed):  # keeps hours of training from `dvc gc`, even if we are killed
                    dvc_client.update_dvc_lock()
        else:
            failed.append(futures[address])
    return failed
