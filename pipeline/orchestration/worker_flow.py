"""The flow that a worker runs: computes one stage for another machine, the caller.

It pulls the inputs of the stage, runs it and pushes the result. It stops with an error if the worker's code or
parameters differ from the caller's."""

from prefect import State, flow
from prefect.states import Failed

from pipeline.dvc_backend import dvc_client
from pipeline.orchestration.tasks import pull_inputs, push_result, task_for
from pipeline.workers import transfer
from pipeline.workers.fingerprint import COMMIT, Fingerprint, differences, fingerprint_of
from pipeline.workers.worker_client import FLOW, REFUSED
from stages import InputError, params


@flow(name=FLOW, flow_run_name="{address}")
def remote_stage(address: str, inputs: str, caller: Fingerprint,
                 timeout: float = dvc_client.TIMEOUT_MINUTES) -> State | None:
    """Runs the stage `address`. inputs: their checksums (see transfer.push_inputs). caller: the fingerprint of the
    caller. timeout: minutes without output after which the stage is terminated."""
    try:
        config = params.load()
        check_fingerprint(config, address, caller)
        transfer.check_inputs(config, address, inputs)
        pull_inputs(address, inputs)
        task_for(address)(address, timeout=timeout)
        push_result(address)
    except (InputError, dvc_client.StageFailed) as error:
        permanent = isinstance(error, InputError) or error.permanent
        return Failed(name=REFUSED if permanent else "Failed", message=str(error))


def check_fingerprint(config: params.Params, address: str, caller: Fingerprint) -> None:
    """Raises InputError with the differences if code or parameters on this machine differ from the caller's."""
    ours = fingerprint_of(config, address)
    if lines := differences(ours, caller):
        shown = "\n  ".join(lines[:20] + [f"and {len(lines) - 20} more"] * (len(lines) > 20))
        raise InputError(
            f"{address}: the worker's code or parameters differ from the caller's (worker at commit {ours[COMMIT]}, "
            f"caller at {caller[COMMIT]}). Use the same commit and params.yaml on both; the worker has\n  {shown}"
        )
