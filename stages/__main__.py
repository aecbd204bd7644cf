"""python -m stages NAME KEY: parameters -> paths -> run(). The one way in which a stage is run. DVC gives the whole
address, NAME@KEY, as the key."""

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
    """Runs `stage@key` with what params.yaml says, in the current folder."""
    config = params.load()
    entry, block = config.entry(stage, key), config.block(stage, key)
    ends = {"target": entry.target, "source": entry.source} if isinstance(entry, params.Transfer) else {}
    run = importlib.import_module(f"stages.{stage}").run
    arguments = {**layout.inputs(stage, key, **ends), **layout.outputs(stage, key), "params": block}
    extras = {"key": key, "entry": entry}
    arguments |= {name: value for name, value in extras.items() if name in inspect.signature(run).parameters}
    if layout.KINDS[stage] in layout.SUBJECT_KINDS:
        who = entry.target if isinstance(entry, params.Transfer) else key
        config.subjects[who].require_consent(who)
    begun = time.perf_counter()
    agreed = config.consent(stage, key)
    with threads.chosen(config.threads), artifact_metadata.attached({"consent": agreed} if agreed else {}):
        run(**arguments)
    note_cost(stage, key, time.perf_counter() - begun)


def note_cost(stage: str, key: str, seconds: float) -> None:
    """Prints and keeps what the run took. It lies beside the artifacts, not in them: they do not depend on it."""
    peak = peak_memory()
    layout.cost(stage, key).parent.mkdir(parents=True, exist_ok=True)
    cost = {"seconds": round(seconds, 1), "peak_gib": round(peak, 2)}
    layout.cost(stage, key).write_text(json.dumps(cost), encoding="utf-8")
    print(f"{stage}@{key}: {seconds:.1f} s, {peak:.1f} GiB at most", flush=True)


def peak_memory() -> float:
    """GiB of this process at most. Not from getrusage on Linux, where a process inherits its parent's peak."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**(30 if sys.platform == "darwin" else 20)


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m stages NAME KEY", file=sys.stderr)
        return 2
    stage, key = sys.argv[1], sys.argv[2].rpartition("@")[2]
    address = f"{stage}@{key}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # half-written files are removed
    try:
        if os.environ.get(layout.ELSEWHERE):
            events.emit("elsewhere", address=address)
            print(f"{address}: to be computed elsewhere ({layout.ELSEWHERE} is set)", file=sys.stderr)
            return 1
        code_digest.check([stage], Path(__file__).parents[1])  # of the code that runs
        events.emit("begun", address=address)
        invoke(stage, key)
    except InputError as error:
        events.report_refusal(address, error)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        events.emit("ended", address=address)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to remove, and an exit takes a moment
    return 0


if __name__ == "__main__":
    sys.exit(main())
