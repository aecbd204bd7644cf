"""A job of the studio: a transfer, its entries in params.yaml, and the progress of its run.

The progress comes from the events that `python -m pipeline run` reports."""

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline import graph
from pipeline.datasets import folder, params_editor
from pipeline.datasets.params_editor import Entry
from pipeline.studio import uploads
from stages import InputError, consent, layout, params
from stages.events import Event
from stages.progress import format_counters, percent

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
CONSENT = {"who": "who agreed", "when": "when they agreed", "scope": "what they agreed to",
           "record": "where that is written down, or what they said"}
_TAIL = 12  # lines of output that are shown if a run fails without an error message


@dataclass
class Step:
    """A stage of a job. `state`: WAITING, RUNNING, DONE, FAILED or UP_TO_DATE."""

    UP_TO_DATE = "up to date"

    address: str
    state: str = WAITING
    percent: float = 0.0
    progress_text: str = ""      # numbers of the progress bar; the time it took when done
    last_line: str = ""          # the last line that it printed
    picture: Path | None = None  # of its outputs
    caption: str = ""            # of the picture
    picture_error: str = ""      # why there is no picture
    started_at: float = 0.0      # seconds since 1970

    @property
    def name(self) -> str:
        return graph.split(self.address)[0].replace("_", " ")

    @property
    def key(self) -> str:
        return graph.split(self.address)[1]


@dataclass
class Job:
    """A job and its state. Only the thread that runs it changes it."""

    target: str
    source: str
    key: str      # of the transfer
    preset: str
    steps: dict[str, Step]
    state: str = WAITING
    error: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))  # the last lines of output
    stopping: bool = False
    results: dict[str, Path] = field(default_factory=dict)  # copies of the result files when done

    @property
    def title(self) -> str:
        return f"{self.target} like {self.source}, {self.preset}"

    @property
    def is_active(self) -> bool:
        return self.state in (WAITING, RUNNING)

    @property
    def running_step(self) -> Step | None:
        return next((step for step in self.steps.values() if step.state == RUNNING), None)

    @property
    def num_done(self) -> int:
        """The number of finished steps."""
        return sum(step.state in (DONE, Step.UP_TO_DATE) for step in self.steps.values())

    def command(self) -> list[str]:
        """The arguments of Python that run this job."""
        return ["-m", "pipeline", "run", self.target, "--from", self.source, "--as", self.key]

    def on_output(self, item: str | Event) -> list[Step]:
        """Handles a line that the run prints or an event that it reports. Returns the steps that have ended with it."""
        if isinstance(item, str):
            self.lines.append(item.rstrip())
        elif item["kind"] == "failed":
            self.error = item["message"]
        elif step := self.steps.get(item.get("address")):
            return self._on_event(step, item)
        return []

    def _on_event(self, step: Step, event: Event) -> list[Step]:
        """Handles an event of a stage. Returns the steps that have ended with it."""
        if event["kind"] == "started":
            step.state, step.started_at = RUNNING, time.time()
            before = list(self.steps.values())[: list(self.steps).index(step.address)]
            return [_finish(other, Step.UP_TO_DATE) for other in before if other.state == WAITING]
        if event["kind"] == "done":
            took = f"{event['seconds']:.1f} s"
            return [_finish(step, DONE, took) if event["computed"] else _finish(step, Step.UP_TO_DATE)]
        if event["kind"] == "progress":
            step.percent, step.progress_text = percent(event) or 0.0, format_counters(event)
        elif event["kind"] == "line" and not event["text"].startswith(f"{step.address}: "):  # without its time and memory
            step.last_line = event["text"].removeprefix(f"{graph.split(step.address)[0]}: ")
        return []

    def on_exit(self, code: int) -> list[Step]:
        """Handles the end of the run. Returns the steps that are done although the run reported no event for them."""
        if not code:
            self.state = DONE
            return [_finish(step, Step.UP_TO_DATE) for step in self.steps.values() if step.state == WAITING]
        self.state = STOPPED if self.stopping else FAILED
        for step in self.steps.values():
            if step.state == RUNNING:
                step.state = self.state
        if self.state == FAILED:
            self.error = self.error or "\n".join(list(self.lines)[-_TAIL:])
        else:
            self.error = ""
        return []


def _finish(step: Step, state: str, took: str = "") -> Step:
    step.state, step.percent, step.progress_text = state, 100.0, took
    return step


def create_job(target: Path | None, source: Path | None, preset: str, consent: dict[str, str], agreed: bool,
               path: Path = Path("params.yaml")) -> Job:
    """Checks the form, stores the two videos and writes their entries into params.yaml.

    consent: the fields of CONSENT. Existing entries keep the user's changes, and an existing record of consent stays.
    Raises InputError, and leaves params.yaml as it was, if something is missing or cannot be used, or if the person has
    agreed to something else before."""
    config = params.load(path)
    if not (target and source):
        raise InputError(f"the {'source' if target else 'target'} video is missing")
    record = _consent_record(consent)
    if not agreed:
        raise InputError("consent: required before a video of this person is made; tick the box if they have agreed")
    if preset not in config.presets:
        raise InputError(f"params.yaml: no preset `{preset}`; there are {', '.join(config.presets)}")
    for file in (target, source):
        uploads.check(file, config.presets[preset].frames.fps)
    who, file = uploads.store(config, target, preset)
    _check_same_consent(config, who, record)
    whose, motion = (who, file) if uploads.same_content(source, file) else uploads.store(config, source, preset, (who,))
    transfer = folder.transfer_entry(who, whose, motion, preset)
    wanted = [*(folder.video_entry(name, place, preset) for name, place in {who: file, whose: motion}.items()),
              Entry.one_line("subjects", who, preset=preset, consent=record), transfer]
    params_editor.add([entry for entry in wanted if not folder.is_imported(config, entry)], path)
    plan = graph.plan(params.load(path), graph.goals([transfer.name]))
    return Job(who, whose, transfer.name, preset, {address: Step(address) for address in plan})


def _consent_record(fields: dict[str, str]) -> dict[str, str]:
    """A record of consent for params.yaml, each field on one line. Raises InputError if it is incomplete."""
    record = {name: " ".join((fields.get(name) or "").split()) for name in CONSENT}
    if missing := [what for name, what in CONSENT.items() if not record[name]]:
        raise InputError(f"consent: write {'; '.join(missing)}")
    try:
        day = date.fromisoformat(record["when"])
    except ValueError:
        raise InputError(f"consent: {record['when']} is not a date; write it like 2026-11-22") from None
    if day > date.today():
        raise InputError(f"consent: {day} is in the future; write the date on which they agreed")
    checksum = consent.checksum(record["record"])
    return record | ({"sha256": checksum} if checksum else {})


def _check_same_consent(config: params.Params, who: str, record: dict[str, str]) -> None:
    """Raises InputError if the person has agreed to something else according to params.yaml. The date may differ."""
    there = config.subjects[who].consent if who in config.subjects else None
    if who in config.subjects and there is None:
        raise InputError(f"consent: params.yaml has the subject {who} without consent. Write subjects.{who}.consent "
                         "there, or remove the entry, and try again")
    if there not in (None, "synthetic") and any(
            getattr(there, name) != record[name] for name in CONSENT if name != "when"):
        recorded = f"{there.who}, {there.when}, {there.scope}, {there.record}"
        raise InputError(f"consent: params.yaml has another record for {who}: {recorded}. Write the same here, or change "
                         f"subjects.{who}.consent there if they have agreed to something new")


def result_files(key: str) -> dict[str, Path]:
    """The video and the report of a transfer."""
    made = [layout.outputs(stage, key) for stage, kind in layout.KINDS.items() if kind == "transfers"]
    return {name: next(files[name] for files in reversed(made) if name in files) for name in ("video", "report")}
