"""What a program reports to the one that started it, as data: one JSON object a line, appended to the file that the
environment variable FAKEMOTION_EVENTS names. What it prints is for people, and nobody reads it back.

Every event has a `kind`. A stage reports:
  begun      address
  progress   what, done, total, unit, elapsed, rate, note: of a loop; total may be null; seconds, and units a second
  refused    address, message: its input cannot be used
  elsewhere  address: it would have had to compute, and was told not to
  ended      address
A run of the pipeline (`python -m pipeline run`, `stage`) reports, in this order of each stage:
  started    address
  progress   as above, and the address
  line       address, text: what the stage printed
  done       address, computed (false: it was up to date), seconds
and, where it ends without a result,
  failed     message
"""

import json
import os
import select
import sys

VARIABLE = "FAKEMOTION_EVENTS"
Event = dict


def enabled() -> bool:
    """Whether somebody listens."""
    return VARIABLE in os.environ


def emit(kind: str, **fields) -> None:
    """Reports an event, if somebody listens. Raises BrokenPipeError where whoever did, and read what is printed, was
    killed: a training is not to go on for hours for nobody."""
    if enabled():
        output = select.poll()
        output.register(1, 0)
        if any(state & (select.POLLERR | select.POLLNVAL) for _, state in output.poll(0)):
            raise BrokenPipeError("nobody reads what this program prints")
        line = json.dumps({"kind": kind} | fields) + "\n"
        with open(os.environ[VARIABLE], "ab", buffering=0) as file:  # one write: whole, whoever else writes
            file.write(line.encode())


def report_refusal(address: str, error: Exception) -> None:
    """Reports that what a stage was given cannot be used; in the terminal, where nobody listens."""
    if enabled():
        emit("refused", address=address, message=str(error))
    else:
        print(f"{address}: {error}", file=sys.stderr)
