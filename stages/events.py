"""Events that a program sends to the process that started it: JSON objects, one per line, appended to the file named by
the environment variable FAKEMOTION_EVENTS. Printed output is for people only; no program parses it.

Every event has a `kind`. Events of a stage:
  begun      address
  progress   what, done, total (null if unknown), unit, elapsed (seconds), rate (units per second), note: of a loop
  refused    address, message: the stage's input cannot be used
  elsewhere  address: the stage is not up to date, but this process may not compute it (layout.ELSEWHERE)
  ended      address
Events of a run of the pipeline (`python -m pipeline run`, `stage`), in this order for each stage:
  started    address
  progress   as above, with the address
  line       address, text: a line that the stage printed
  done       address, computed (false if it was up to date), seconds
and, if the run fails,
  failed     message
"""

import json
import os
import select
import sys

VARIABLE = "FAKEMOTION_EVENTS"
Event = dict


def enabled() -> bool:
    """Whether another process receives the events."""
    return VARIABLE in os.environ


def emit(kind: str, **fields) -> None:
    """Writes an event if events are enabled. Raises BrokenPipeError if the process that read this one's output has been
    killed, so that a training does not continue without it."""
    if enabled():
        stdout = select.poll()
        stdout.register(1, 0)
        if any(state & (select.POLLERR | select.POLLNVAL) for _, state in stdout.poll(0)):
            raise BrokenPipeError("the process that reads the output has ended")
        line = json.dumps({"kind": kind} | fields) + "\n"
        with open(os.environ[VARIABLE], "ab", buffering=0) as file:  # one write, atomic among several writers
            file.write(line.encode())


def report_refusal(address: str, error: Exception) -> None:
    """Reports that a stage's input cannot be used: as an event or, if events are not enabled, on stderr."""
    if enabled():
        emit("refused", address=address, message=str(error))
    else:
        print(f"{address}: {error}", file=sys.stderr)
