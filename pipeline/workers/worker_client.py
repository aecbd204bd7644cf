"""The caller's side of a stage on a worker: submits it to Prefect, which assigns it to a worker, waits for the end, and
fetches the result from DVC's remote."""

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
REFUSED = "Refused"  # state of a run that failed and would fail again
DVC_SLOTS = threading.Semaphore(4)  # limits how many threads run DVC at the same time
POLL_SECONDS = scaled_seconds(2.0)
SERVER_TIMEOUT = 600.0  # seconds without a response of Prefect's server


def find_deployment(pool: str) -> str:
    """The id of the deployment through which the workers of `pool` run stages. Raises InputError if there is none."""
    transfer.require_remote()
    if not PREFECT_API_URL.value():
        raise InputError(f"pool {pool}: workers need a Prefect server, and none is set. Run `prefect server start` and "
                         "set PREFECT_API_URL to the address that it prints, on this machine and on the workers")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployments(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            )
        except httpx.HTTPError as error:
            raise InputError(f"Prefect's server at {PREFECT_API_URL.value()} does not respond: {error}") from None
    if not found:
        raise InputError(f"the work pool `{pool}` has no deployment for stages. Run\n"
                         f"  prefect work-pool create {pool} --type process\n"
                         "  env -u FAKEMOTION prefect --no-prompt deploy --prefect-file pipeline/workers/deploy.yaml --all")
    return str(found[0].id)


def reproduce(address: str, deployment: str, timeout: float) -> bool:
    """Brings a stage up to date on a worker. Returns False if no worker was needed.

    timeout: minutes without output after which the worker terminates the stage. Raises StageFailed."""
    config = params.load()
    try:
        config.entry(*graph.split(address)).require_consent(graph.split(address)[1])  # before any upload
    except InputError as error:
        raise dvc_client.StageFailed(f"{address}: {error}", permanent=True) from None
    with DVC_SLOTS:
        if transfer.fetch_result(address):
            return False
        parameters = {"address": address, "inputs": transfer.push_inputs(config, address),
                      "caller": fingerprint_of(config, address), "timeout": timeout}
    run, created = submit(deployment, parameters)
    run = wait_for_end(run, created)
    if run.state.is_cancelled() and not created and not subprocesses.shutting_down():  # cancelled by its creator
        run = wait_for_end(*submit(deployment, parameters))
    if not run.state.is_completed():
        reason = run.state.message or f"{address}: the worker's run is {run.state.name}"
        raise dvc_client.StageFailed(reason, permanent=run.state.name == REFUSED)
    with DVC_SLOTS:
        if not transfer.fetch_result(address):
            raise dvc_client.StageFailed(
                f"{address}: the worker's run {run.id} succeeded, but its result is not in the remote. Check that this "
                "machine and the worker use the same remote (dvc remote list)")
    return True


def submit(deployment: str, parameters: dict) -> tuple[FlowRun, bool]:
    """The worker's run with these parameters, and whether it was created by this call. If a run with the same
    parameters is in progress, it is used, even if another caller created it."""
    address = parameters["address"]
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
            flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[address])),
        )
    same = [run for run in runs if (run.idempotency_key or "").startswith(digest)]
    run = next((run for run in same if not (run.state.is_final() or run.state.is_cancelling())), None)
    if not run:  # concurrent callers use the same idempotency key, for which Prefect creates one run
        run = run_deployment(deployment, parameters=parameters, flow_run_name=address, timeout=0,
                             idempotency_key=f"{digest}-{len(same)}")
    ui.log(f"{address} runs on a worker: {url_for(run)}")
    return run, run not in same


def wait_for_end(run: FlowRun, created_here: bool) -> FlowRun:
    """Waits for the end of a run. If the caller is stopped before that, a run that was created here is cancelled."""
    last_response = time.monotonic()
    while not run.state.is_final():
        time.sleep(POLL_SECONDS)
        try:
            with get_client(sync_client=True) as client:
                run, last_response = client.read_flow_run(run.id), time.monotonic()
                if subprocesses.shutting_down():
                    if created_here:
                        client.set_flow_run_state(run.id, Cancelling())
                    raise dvc_client.StageFailed(f"{run.name}: cancelled")
        except ObjectNotFound:
            raise dvc_client.StageFailed(f"{run.name}: its run was deleted from Prefect's server") from None
        except httpx.HTTPError as error:
            if subprocesses.shutting_down() or time.monotonic() > last_response + SERVER_TIMEOUT:
                raise dvc_client.StageFailed(f"{run.name}: Prefect's server does not respond ({error}). The worker "
                                             "continues; run the same command later to get its result") from None
    return run
