"""Moves files between machines through DVC's remote: artifacts by their checksums, results through the run cache.

A worker does not get the caller's dvc.lock. It gets the checksums of the stage's inputs, as the text of a .dvc file,
and pulls those. The result is found in the run cache by the hash of the stage's command, inputs and parameters."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from pipeline import graph
from pipeline.dvc_backend import dvc_client
from pipeline.polling import scaled_seconds
from stages import InputError
from stages.params import Params

OUTPUT_FIELDS = {"path", "md5", "hash", "size", "nfiles"}  # of an output in a .dvc file
RETRY_DELAYS = [scaled_seconds(delay) for delay in (2, 4, 8, 16, 32, 64)]  # if the remote does not respond


class Unreachable(dvc_client.StageFailed):
    """The remote could not be read or written. A retry may help."""


def require_remote() -> None:
    """Raises InputError if DVC has no default remote."""
    if not dvc_client.config_value("core.remote"):
        raise InputError("workers exchange files with this machine through a DVC remote, and none is set. For example:\n"
                         "  dvc remote add --default --local storage s3://BUCKET/FOLDER")


def push_inputs(config: Params, address: str) -> str:
    """Pushes the inputs of a stage that other stages wrote. Returns the text of a .dvc file with which a worker pulls
    them."""
    read = _stage_inputs(config, address)
    made_by = sorted(set(read.values()))
    _with_remote(dvc_client.push, made_by, address)  # by address: for a path DVC would search all stages
    locked = {out["path"]: out for producer in made_by for out in dvc_client.outputs(producer)}
    return yaml.safe_dump({"outs": [locked[str(path)] for path in read]}, sort_keys=False)


def check_inputs(config: Params, address: str, inputs: str) -> None:
    """Raises InputError if `inputs` (text of a .dvc file) lists other files than the inputs of the stage."""
    outs, read = yaml.safe_load(inputs)["outs"], list(map(str, _stage_inputs(config, address)))
    if [out["path"] for out in outs] != read or any(set(out) - OUTPUT_FIELDS for out in outs):
        raise InputError(f"{address}: got the inputs {outs}; expected the checksums of {', '.join(read)}")


def pull_inputs(address: str, inputs: str) -> None:
    """Pulls the checked inputs into the artifacts of this machine."""
    with tempfile.TemporaryDirectory() as folder:  # outside the project, or DVC would track it
        file = Path(folder) / f"{address}.dvc"
        file.write_text(inputs + yaml.safe_dump({"wdir": str(Path.cwd())}), encoding="utf-8")
        _with_remote(dvc_client.pull, file, address)


def _stage_inputs(config: Params, address: str) -> dict[Path, str]:
    """The inputs of a stage that other stages wrote: {path: address of that stage}."""
    producers = graph.producers(config)
    return {path: producers[path] for path in graph.reads(config, address).values() if path in producers}


def push_result(address: str) -> None:
    """Pushes the outputs of a stage, and the run cache, through which other machines find them."""
    _with_remote(dvc_client.push, [address], address)
    _with_remote(dvc_client.push, [address], address, run_cache=True)  # last: its entries need their files


def fetch_result(address: str) -> bool:
    """Brings a stage up to date without computing it, from the local cache or the remote. Returns False if neither has
    the result."""
    try:
        dvc_client.restore(address)
        return True
    except dvc_client.NotComputed:
        pass
    try:
        _with_remote(dvc_client.restore, address, pull=True)
        return True
    except dvc_client.NotComputed:
        return False


def _with_remote(function: Callable[..., None], *arguments, **options) -> None:
    """Calls a function that uses the remote. Raises Unreachable if it fails, or the error itself if a retry would fail
    again."""
    try:
        function(*arguments, **options)
    except dvc_client.NotComputed:
        raise
    except dvc_client.StageFailed as error:
        raise error if error.permanent else Unreachable(str(error)) from None
