"""`python -m stages NAME KEY` runs one stage: reads params.yaml, finds the paths and calls the stage's `run`. All
stages run this way. DVC passes the whole address, NAME@KEY, as KEY."""

import importlib
import inspect
import json
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

from stages import InputError, code_digest, events, layout, params, threads
from stages.media import artifact_metadata


def invoke(stage: str, key: str) -> None:
    """Runs `stage@key` with its block of params.yaml, in the current folder."""
    config = params.load()
    entry, block = config.entry(stage, key), config.block(stage, key)
    people = {"target": entry.target, "source": entry.source} if isinstance(entry, params.Transfer) else {}
    run = importlib.import_module(f"stages.{stage}").run
    arguments = {**layout.inputs(stage, key, **people), **layout.outputs(stage, key), "params": block}
    optional = {"key": key, "entry": entry}
    arguments |= {name: value for name, value in optional.items() if name in inspect.signature(run).parameters}
    if layout.KINDS[stage] in layout.SUBJECT_KINDS:
        subject = entry.target if isinstance(entry, params.Transfer) else key
        config.subjects[subject].require_consent(subject)
    start = time.perf_counter()
    consent = config.consent(stage, key)
    with threads.using(config.threads), artifact_metadata.attached({"consent": consent} if consent else {}):
        run(**arguments)
    record_cost(stage, key, time.perf_counter() - start)


def record_cost(stage: str, key: str, seconds: float) -> None:
    """Prints and saves the run's duration and peak memory, outside the artifacts, whose bytes must not depend on them.
    """
    peak = peak_memory()
    layout.cost(stage, key).parent.mkdir(parents=True, exist_ok=True)
    cost = {"seconds": round(seconds, 1), "peak_gib": round(peak, 2)}
    layout.cost(stage, key).write_text(json.dumps(cost), encoding="utf-8")
    print(f"{stage}@{key}: {seconds:.1f} s, {peak:.1f} GiB at most", flush=True)


def peak_memory() -> float:
    """The peak memory of this process, in GiB. On Linux not from getrusage, where a process inherits its parent's
    peak."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**(30 if sys.platform == "darwin" else 20)


def terminate(*_) -> None:
    """Handles SIGTERM: exits, so that temporary files are removed. A second SIGTERM does not interrupt this."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m stages NAME KEY", file=sys.stderr)
        return 2
    stage, key = sys.argv[1], sys.argv[2].rpartition("@")[2]
    address = f"{stage}@{key}"
    signal.signal(signal.SIGTERM, terminate)
    try:
        if os.environ.get(layout.ELSEWHERE):
            events.emit("elsewhere", address=address)
            print(f"{address}: to be computed elsewhere ({layout.ELSEWHERE} is set)", file=sys.stderr)
            return 1
        code_digest.check([stage], Path(__file__).parents[1])  # of the imported code, not of the current folder
        events.emit("begun", address=address)
        invoke(stage, key)
    except InputError as error:
        events.report_refusal(address, error)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        events.emit("ended", address=address)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # no more clean-up; exiting takes a moment
    return 0


if __name__ == "__main__":
    sys.exit(main())
