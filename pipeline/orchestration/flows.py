"""The flows: a motion copied, all that params.yaml describes, or any one stage, with all that it needs, in order, side
by side where it can be."""

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
from pipeline.orchestration.tasks import TRAINING, task_for
from pipeline.workers import worker_client
from stages import params


def _title() -> str:
    """Of a run in Prefect's view."""
    given = flow_run.parameters
    sources = [given["source"]] if isinstance(given["source"], str) else given["source"]
    return f"{given['target']} from {', '.join(sources)}"


@flow(name="copy_motion", flow_run_name=_title)
def copy_motion(target: str, source: str | list[str], key: str | None = None, retries: int = 0, jobs: int = 1,
                pool: str | None = None, timeout: float = dvc_client.TIMEOUT_MINUTES) -> list[str] | State:
    """The person `target` moves like `source` (one or several videos); source == target reconstructs the
    held-out part. `key` names the transfer where params.yaml has several. Gives the transfers' keys."""
    config = params.load()
    sources = [source] if isinstance(source, str) else source
    return run_transfers(config, [graph.transfer(config, target, one, key) for one in sources], retries, jobs, pool,
                timeout)


@flow(name="copy_all", flow_run_name="every transfer")
def copy_all(retries: int = 0, jobs: int = 1, pool: str | None = None,
             timeout: float = dvc_client.TIMEOUT_MINUTES) -> list[str] | State:
    """Every transfer of params.yaml. Gives their keys."""
    config = params.load()
    return run_transfers(config, config.transfers, retries, jobs, pool, timeout)


@flow(name="stage", flow_run_name="{address}")
def stage(address: str, retries: int = 0, jobs: int = 1, pool: str | None = None,
          timeout: float = dvc_client.TIMEOUT_MINUTES) -> State | None:
    """One stage, such as generator_training@ava, after whatever it needs that is not up to date."""
    return bring_up_to_date(graph.plan(params.load(), [address]), retries, jobs, pool, timeout)


def run_transfers(config: params.Params, keys: Iterable[str], retries: int, jobs: int, pool: str | None,
         timeout: float) -> list[str] | State:
    """Runs these transfers and tells what came out."""
    if cancelled := bring_up_to_date(graph.plan(config, graph.goals(keys)), retries, jobs, pool, timeout):
        return cancelled
    for key in keys:
        ui.log(inspect.summary(key))
    return list(keys)


def bring_up_to_date(plan: dict[str, list[str]], *how) -> State | None:
    """Runs what is left to do of a plan, as `submit` does; dvc.lock then tells of it. One look at all of it first:
    Prefect, and a process of DVC's, are only asked for what may have to be computed."""
    left = dvc_client.pending(plan)
    ui.log(f"{len(plan) - len(left)} of {len(plan)} stages are up to date")
    try:
        cancelled = run_plan(left, *how)
    except BaseException:
        with suppress(dvc_client.StageFailed):  # the first failure is the one to tell
            dvc_client.update_dvc_lock()
        raise
    dvc_client.update_dvc_lock()
    return cancelled


def run_plan(plan: dict[str, list[str]], retries: int = 0, jobs: int = 1, pool: str | None = None,
           timeout: float = dvc_client.TIMEOUT_MINUTES) -> State | None:
    """Runs a plan. Raises the first failure, after what does not depend on it. Gives the state in which the flow is to
    end if it was cancelled. However it ends, no stage goes on here."""
    where = worker_client.find_deployment(pool) if pool else None
    with cancellation_monitor() as cancelled:
        try:
            failed = _run_in_order(plan, retries, jobs, where, timeout)
        except BaseException:  # Ctrl-C, or the SIGTERM by which a worker is told of Cancel
            dvc_client.stop_all()
            raise
    if cancelled.is_set():
        return Cancelled(message="Cancelled; what was finished stays.")
    for future in failed:
        future.result()  # raises what the task raised


def _run_in_order(plan: dict[str, list[str]], retries: int, jobs: int, where: str | None, timeout: float) -> list:
    """Runs each address as soon as those it waits for are done: `jobs` at once on this machine, and as many as there
    are by the workers of the deployment `where`, who are given the trainings. Gives those that failed."""
    order = {address: number for number, address in enumerate(plan)}
    sorter, futures, ready, ended = TopologicalSorter(plan), {}, [], SimpleQueue()
    sorter.prepare()
    here, out, failed = 0, 0, []  # addresses on this machine, and altogether
    while True:
        ready = [] if subprocesses.shutting_down() else sorted([*ready, *sorter.get_ready()], key=order.get)
        waiting = []
        for address in ready:
            away = where if graph.split(address)[0] in TRAINING else None
            if not away and here >= jobs:
                waiting.append(address)
                continue
            before = [futures[needed] for needed in plan[address]]
            futures[address] = task_for(address, retries, away).submit(address, away, timeout, wait_for=before)
            futures[address].add_done_callback(lambda _, done=(address, away): ended.put(done))
            here, out = here + (not away), out + 1
        ready = waiting
        if not out:
            break
        address, away = ended.get()
        here, out = here - (not away), out - 1
        futures[address].wait()  # makes its state known here; the server hears of it later
        if futures[address].state.is_completed():
            sorter.done(address)
            if graph.split(address)[0] in TRAINING:
                with suppress(dvc_client.StageFailed):  # hours of work, which `dvc gc` is to know even if we are killed
                    dvc_client.update_dvc_lock()
        else:
            failed.append(futures[address])
    return failed
