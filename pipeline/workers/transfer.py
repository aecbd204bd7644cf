"""What goes between machines, all of it through DVC's remote: artifacts by their checksums, results by the run-cache.

A worker never sees the caller's dvc.lock. It is given the checksums of the artifacts that its stage reads, as the text
of a .dvc file, and pulls those; its result comes back under the hash of the stage's command, inputs and parameters.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from pipeline import graph
from pipeline.dvc_backend import dvc_client
from pipeline.polling import scaled_seconds
from stages import InputError
from stages.params import Params

CHECKSUM = {"path", "md5", "hash", "size", "nfiles"}  # what DVC notes of an output
RETRY_DELAYS = [scaled_seconds(length) for length in (2, 4, 8, 16, 32, 64)]  # seconds between attempts, while the remote does not answer


class Unreachable(dvc_client.StageFailed):
    """The remote could not be read or written. Worth trying again."""


def require_remote() -> None:
    """Raises InputError where DVC has no default remote."""
    if not dvc_client.config_value("core.remote"):
        raise InputError("workers and this machine meet in a DVC remote, and none is set. For example:\n"
                         "  dvc remote add --default --local storage s3://BUCKET/FOLDER")


def push_inputs(config: Params, address: str) -> str:
    """Pushes what `address` reads of other stages; what a worker needs to pull it."""
    read = _stage_inputs(config, address)
    made_by = sorted(set(read.values()))
    _with_remote(dvc_client.push, made_by, address)  # by address: of a path DVC would ask every stage that there is
    locked = {out["path"]: out for producer in made_by for out in dvc_client.outputs(producer)}
    return yaml.safe_dump({"outs": [locked[str(path)] for path in read]}, sort_keys=False)


def check_inputs(config: Params, address: str, offered: str) -> None:
    """Raises InputError where something else was offered than what `address` reads."""
    outs, read = yaml.safe_load(offered)["outs"], list(map(str, _stage_inputs(config, address)))
    if [out["path"] for out in outs] != read or any(set(out) - CHECKSUM for out in outs):
        raise InputError(f"{address}: offered were {outs}; expected the checksums of {', '.join(read)}")


def pull_inputs(address: str, offered: str) -> None:
    """Pulls what was offered, and checked, into the artifacts of this machine."""
    with tempfile.TemporaryDirectory() as folder:  # outside of the project, where DVC would take it for a part of it
        file = Path(folder) / f"{address}.dvc"
        file.write_text(offered + yaml.safe_dump({"wdir": str(Path.cwd())}), encoding="utf-8")
        _with_remote(dvc_client.pull, file, address)


def _stage_inputs(config: Params, address: str) -> dict[Path, str]:
    """What `address` reads of other stages, and of which."""
    producers = graph.producers(config)
    return {path: producers[path] for path in graph.reads(config, address).values() if path in producers}


def push_result(address: str) -> None:
    """Pushes the outputs of `address` and the run-cache, by which others find them."""
    _with_remote(dvc_client.push, [address], address)
    _with_remote(dvc_client.push, [address], address, run_cache=True)  # after it, for an entry whose files are missing is of no use


def fetch_result(address: str) -> bool:
    """Brings `address` up to date without computing it, from here or from the remote. False where neither has it."""
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


def _with_remote(work: Callable[..., None], *arguments, **options) -> None:
    """Does what needs the remote; what fails then is worth trying again, unless it would fail again."""
    try:
        work(*arguments, **options)
    except dvc_client.NotComputed:
        raise
    except dvc_client.StageFailed as error:
        raise error if error.permanent else Unreachable(str(error)) from None
