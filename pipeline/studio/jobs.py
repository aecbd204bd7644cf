"""What a user of the studio has ordered: a transfer, with the entries of params.yaml that describe it, and how far its
run has come, by what `python -m pipeline run` reports."""

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

WAITS, RUNS, DONE, FAILED, STOPPED = "waits", "runs", "done", "failed", "stopped"
CONSENT = {"who": "who agreed", "when": "when they agreed", "scope": "what they agreed to",
           "record": "where that is written down, or what they said"}
_TAIL = 12  # lines of a run that failed without saying why


@dataclass
class Step:
    """A stage of an order. `state`: WAITS, RUNS, DONE, FAILED or KEPT."""

    KEPT = "up to date"

    address: str
    state: str = WAITS
    percent: float = 0.0
    says: str = ""               # the figures of its progress bar; when it is done, what it took
    found: str = ""              # the last line that it printed
    picture: Path | None = None  # of what it left behind
    shows: str = ""              # what is to be seen in it
    blind: str = ""              # why there is no picture
    begun: float = 0.0           # when it started, seconds since 1970

    @property
    def name(self) -> str:
        return graph.split(self.address)[0].replace("_", " ")

    @property
    def key(self) -> str:
        return graph.split(self.address)[1]


@dataclass
class Job:
    """Changed by the one thread that runs it."""

    target: str
    source: str
    key: str      # of the transfer
    preset: str
    steps: dict[str, Step]
    state: str = WAITS
    error: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))  # the last ones that the run printed
    stopping: bool = False
    made: dict[str, Path] = field(default_factory=dict)  # copies of what `result` names, once it is done

    @property
    def title(self) -> str:
        return f"{self.target} like {self.source}, {self.preset}"

    @property
    def alive(self) -> bool:
        return self.state in (WAITS, RUNS)

    @property
    def running(self) -> Step | None:
        return next((step for step in self.steps.values() if step.state == RUNS), None)

    @property
    def over(self) -> int:
        """How many steps are."""
        return sum(step.state in (DONE, Step.KEPT) for step in self.steps.values())

    def command(self) -> list[str]:
        return ["-m", "pipeline", "run", self.target, "--from", self.source, "--as", self.key]

    def hears(self, said: str | Event) -> list[Step]:
        """A line that the run prints, or an event that it reports; the steps that are over with it."""
        if isinstance(said, str):
            self.lines.append(said.rstrip())
        elif said["kind"] == "failed":
            self.error = said["message"]
        elif step := self.steps.get(said.get("address")):
            return self._follow(step, said)
        return []

    def _follow(self, step: Step, event: Event) -> list[Step]:
        """The steps that are over with what a stage reports."""
        if event["kind"] == "started":
            step.state, step.begun = RUNS, time.time()
            before = list(self.steps.values())[: list(self.steps).index(step.address)]
            return [_over(other, Step.KEPT) for other in before if other.state == WAITS]
        if event["kind"] == "done":
            return [_over(step, DONE, f"{event['seconds']:.1f} s") if event["computed"] else _over(step, Step.KEPT)]
        if event["kind"] == "progress":
            step.percent, step.says = percent(event) or 0.0, format_counters(event)
        elif event["kind"] == "line" and not event["text"].startswith(f"{step.address}: "):  # but what it took
            step.found = event["text"].removeprefix(f"{graph.split(step.address)[0]}: ")
        return []

    def ends(self, code: int) -> list[Step]:
        """The run has ended with an exit code; the steps that are over with it, of which it never spoke."""
        if not code:
            self.state = DONE
            return [_over(step, Step.KEPT) for step in self.steps.values() if step.state == WAITS]
        self.state = STOPPED if self.stopping else FAILED
        for step in self.steps.values():
            if step.state == RUNS:
                step.state = self.state
        if self.state == FAILED:
            self.error = self.error or "\n".join(list(self.lines)[-_TAIL:])
        else:
            self.error = ""
        return []


def _over(step: Step, state: str, took: str = "") -> Step:
    step.state, step.percent, step.says = state, 100.0, took
    return step


def order(target: Path | None, source: Path | None, preset: str, told: dict[str, str], agreed: bool,
          path: Path = Path("params.yaml")) -> Job:
    """Checks what was given, keeps the two videos and writes who they are into params.yaml. InputError, and params.yaml
    as it was, where something is missing or cannot be used, or somebody has agreed to something else before. What is
    there already stays as the user has changed it; so does a record of consent. `told`: the fields of CONSENT."""
    config = params.load(path)
    if not (target and source):
        raise InputError(f"the video of the {'source' if target else 'target'} is missing")
    record = _record(told)
    if not agreed:
        raise InputError("consent: nothing is made of a person who has not agreed; tick it if they have")
    if preset not in config.presets:
        raise InputError(f"params.yaml: no preset `{preset}`; there are {', '.join(config.presets)}")
    for file in (target, source):
        uploads.check(file, config.presets[preset].frames.fps)
    who, file = uploads.keep(config, target, preset)
    _same(config, who, record)
    whose, motion = (who, file) if uploads.same(source, file) else uploads.keep(config, source, preset, (who,))
    transfer = folder.transfer(who, whose, motion, preset)
    wanted = [*(folder.video(name, place, preset) for name, place in {who: file, whose: motion}.items()),
              Entry.short("subjects", who, preset=preset, consent=record), transfer]
    params_editor.add([entry for entry in wanted if not folder.imported(config, entry)], path)
    plan = graph.plan(params.load(path), graph.goals([transfer.name]))
    return Job(who, whose, transfer.name, preset, {address: Step(address) for address in plan})


def _record(told: dict[str, str]) -> dict[str, str]:
    """A record of consent for params.yaml, each field on one line. InputError where it is not whole."""
    record = {name: " ".join((told.get(name) or "").split()) for name in CONSENT}
    if missing := [what for name, what in CONSENT.items() if not record[name]]:
        raise InputError(f"consent: write {'; '.join(missing)}")
    try:
        day = date.fromisoformat(record["when"])
    except ValueError:
        raise InputError(f"consent: {record['when']} is not a day; write when they agreed like 2026-11-22") from None
    if day > date.today():
        raise InputError(f"consent: {day} is still to come; write the day on which they agreed")
    found = consent.checksum(record["record"])
    return record | ({"sha256": found} if found else {})


def _same(config: params.Params, who: str, record: dict[str, str]) -> None:
    """InputError where they agreed to something else, as params.yaml says; the day may be a later one."""
    there = config.subjects[who].consent if who in config.subjects else None
    if who in config.subjects and there is None:
        raise InputError(f"consent: of {who}, params.yaml has no record. Write subjects.{who}.consent there, or remove that "
                         "entry, and order again")
    if there not in (None, "synthetic") and any(
            getattr(there, name) != record[name] for name in CONSENT if name != "when"):
        said = f"{there.who}, {there.when}, {there.scope}, {there.record}"
        raise InputError(f"consent: of {who}, params.yaml says: {said}. Write the same here or, where they have "
                         f"agreed anew, change subjects.{who}.consent there")


def result(key: str) -> dict[str, Path]:
    """The video and the report of a transfer: what its last stages wrote under these names."""
    made = [layout.outputs(stage, key) for stage, kind in layout.KINDS.items() if kind == "transfers"]
    return {name: next(files[name] for files in reversed(made) if name in files) for name in ("video", "report")}
