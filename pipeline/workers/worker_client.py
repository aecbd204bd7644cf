"""A stage that a worker computes, seen from where the flow was started: Prefect finds the worker, DVC's remote carries.
"""

import hashlib
import json
import threading
import time

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter, DeploymentFilterId, FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterName,
    WorkPoolFilter, WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling
from prefect.utilities.urls import url_for

from pipeline import graph, ui
from pipeline.dvc_backend import dvc_client, subprocesses
from pipeline.polling import scaled_seconds
from pipeline.workers import transfer
from pipeline.workers.fingerprint import fingerprint_of
from stages import InputError, params

FLOW = "remote_stage"
REFUSED = "Refused"  # the state of a worker's run in which nothing was tried, and trying again is no use
DVC_SLOTS = threading.Semaphore(4)  # of those that are given away, how many use DVC here at the same time
POLL_SECONDS = scaled_seconds(2.0)  # seconds between two looks at a worker's run
SERVER_TIMEOUT = 600.0      # seconds without an answer of Prefect's server


def find_deployment(pool: str) -> str:
    """The deployment that gives a stage to the workers of `pool`. Raises InputError where there is none."""
    transfer.require_remote()
    if not PREFECT_API_URL.value():
        raise InputError(f"pool {pool}: workers ask a Prefect server for work, and none is set. Run `prefect server "
                         "start` and set PREFECT_API_URL to the address that it prints, here and at the workers")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployments(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            )
        except httpx.HTTPError as error:
            raise InputError(f"Prefect's server at {PREFECT_API_URL.value()} does not answer: {error}") from None
    if not found:
        raise InputError(f"no stage can be given to the work pool `{pool}`: nothing is deployed to it. Run\n"
                         f"  prefect work-pool create {pool} --type process\n"
                         "  env -u FAKEMOTION prefect --no-prompt deploy --prefect-file pipeline/workers/deploy.yaml --all")
    return str(found[0].id)


def reproduce(address: str, where: str, timeout: float) -> bool:
    """Brings `address` up to date by a worker of the deployment `where`; False where that was not needed. `timeout`:
    minutes without a sign of life after which the worker ends the stage."""
    config = params.load()
    try:
        config.entry(*graph.split(address)).require_consent(graph.split(address)[1])  # before any frame leaves here
    except InputError as error:
        raise dvc_client.StageFailed(f"{address}: {error}", permanent=True) from None
    with DVC_SLOTS:
        if transfer.fetch_result(address):
            return False
        order = {"address": address, "inputs": transfer.push_inputs(config, address),
                 "caller": fingerprint_of(config, address), "timeout": timeout}
    run, ours = submit(where, order)
    run = wait_for_end(run, ours)
    if run.state.is_cancelled() and not ours and not subprocesses.shutting_down():  # by whom it belonged to
        run = wait_for_end(*submit(where, order))
    if not run.state.is_completed():
        reason = run.state.message or f"{address}: the worker's run is {run.state.name}"
        raise dvc_client.StageFailed(reason, permanent=run.state.name == REFUSED)
    with DVC_SLOTS:
        if not transfer.fetch_result(address):
            raise dvc_client.StageFailed(f"{address}: the worker's run {run.id} ended well, but the remote lacks its result. "
                                  "Do this machine and the worker have the same one (dvc remote list)?")
    return True


def submit(where: str, order: dict) -> tuple[FlowRun, bool]:
    """The run that computes this order, and whether it is a new one: where one is under way, whoever asked for it, it
    is that."""
    address, digest = order["address"], hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()[:16]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[where])),
            flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[address])),
        )
    same = [run for run in runs if (run.idempotency_key or "").startswith(digest)]
    run = next((run for run in same if not (run.state.is_final() or run.state.is_cancelling())), None)
    if not run:  # callers who count alike ask with the same key, for which Prefect makes one run
        run = run_deployment(where, parameters=order, flow_run_name=address, timeout=0,
                             idempotency_key=f"{digest}-{len(same)}")
    ui.log(f"{address} is at the workers: {url_for(run)}")
    return run, run not in same


def wait_for_end(run: FlowRun, ours: bool) -> FlowRun:
    """The run when it has ended. Where the caller is stopped before that, a run of ours is cancelled."""
    heard = time.monotonic()
    while not run.state.is_final():
        time.sleep(POLL_SECONDS)
        try:
            with get_client(sync_client=True) as client:
                run, heard = client.read_flow_run(run.id), time.monotonic()
                if subprocesses.shutting_down():
                    if ours:
                        client.set_flow_run_state(run.id, Cancelling())
                    raise dvc_client.StageFailed(f"{run.name}: cancelled")
        except ObjectNotFound:
            raise dvc_client.StageFailed(f"{run.name}: its run was deleted from Prefect's server") from None
        except httpx.HTTPError as error:
            if subprocesses.shutting_down() or time.monotonic() > heard + SERVER_TIMEOUT:
                raise dvc_client.StageFailed(f"{run.name}: Prefect's server does not answer ({error}). The worker goes on; "
                                      "the same command takes what it will have made") from None
    return run
