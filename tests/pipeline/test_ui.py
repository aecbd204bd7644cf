"""What Prefect's UI and DVC's own commands show of a stage."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
import yaml
import pipeline  # noqa: F401  before Prefect: switches its analytics off
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.sorting import ArtifactSort, LogSort
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline import ui
from pipeline.orchestration import flows, tasks
from stages import layout



def progress(what: str, done: int, total: int | None = 1200, **changes) -> dict:
    return {"kind": "progress", "what": what, "done": done, "total": total, "unit": "step", "elapsed": 70.0, "rate": 8.0,
            "note": None} | changes


def line(text: str) -> dict:
    return {"kind": "line", "text": text}


@pytest.fixture
def unhurried(monkeypatch):
    """The bars are sent only when the test asks, and at the end."""
    monkeypatch.setattr(ui, "REFRESH_SECONDS", 1000.0)


def shown(run) -> list:
    """The artifacts of a flow run, in the order of their creation."""
    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        found = client.read_artifacts(artifact_filter=mine, sort=ArtifactSort.ID_DESC)
    return sorted(found, key=lambda one: one.created)


def logged(run) -> list[str]:
    """Our log lines of a flow run and its task runs, without Prefect's own."""
    ui.LOG.handlers[0].flush()
    with get_client(sync_client=True) as client:
        mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        logs = client.read_logs(log_filter=mine, sort=LogSort.TIMESTAMP_ASC)
    return [log.message for log in logs if log.name == ui.LOG.name]


def in_a_flow(work):
    """Calls `work` in a flow run, with its id."""
    return flow(lambda: work(FlowRunContext.get().flow_run.id), name="watched")()


def test_a_bar_grows(prefect, unhurried):
    def work(run):
        seen = []
        with ui.StageView("generator_training@ava") as watch:
            for step in (0, 540, 900, 1200):
                watch.on_event(progress("generator_training", step, note="l1=0.0345"))
                watch.refresh()
                seen.append(shown(run))
        return seen

    seen = in_a_flow(work)
    assert [[(one.type, one.data) for one in made] for made in seen] == [
        [("progress", percent)] for percent in (0, 45, 75, 100)]
    assert len({made[0].id for made in seen}) == 1  # one bar that is updated
    assert seen[1][0].key == "generator-training-ava"
    assert seen[1][0].description == "540/1200 [01:10<01:22,  8.00step/s, l1=0.0345]"


SAID = [  # (event or line, resulting bar, resulting log lines)
    (progress("crops", 12, 12, unit="batch"), (100, "crops 12/12 [01:10<00:00,  8.00batch/s]"), []),
    (progress("mask_segmentation: plate", 5, 100), (5, "mask_segmentation: plate 5/100 [01:10<00:11,  8.00step/s]"), []),
    (progress("frames", 5, 100), (5, "5/100 [01:10<00:11,  8.00step/s]"), []),  # the stage's main bar
    (progress("", 1, 2), (50, "1/2 [01:10<00:00,  8.00step/s]"), []),
    (progress("looking through", 25, None), None, []),  # the total is unknown
    ({"kind": "begun", "address": "frames@ava"}, None, []),
    (line(""), None, []),
    (line("x.py:1: UserWarning: old"), None, ["x.py:1: UserWarning: old"]),
    (line("frames: 100%|####| 3/3 [of them] | blurred"), None, ["frames: 100%|####| 3/3 [of them] | blurred"]),
]


def test_bars_and_lines_are_distinguished(prefect, unhurried):
    def work(run):
        found, bars, lines = [], 0, 0
        for output, _, _ in SAID:
            with ui.StageView("frames@ava") as watch:
                watch.on_event(output)
            new, logs = shown(run)[bars:], logged(run)[lines:]
            bars, lines = bars + len(new), lines + len(logs)
            found.append((output, (new[0].data, new[0].description) if new else None, logs))
        return found

    assert in_a_flow(work) == SAID


def vary(project, stage: str, **fields) -> None:
    """Changes parameters of a stage in the preset `demo`."""
    block = yaml.safe_load(Path("params.yaml").read_text())["presets"]["demo"][stage]
    project.change(presets={"demo": {stage: block | fields}})


def submitted(*addresses: str):
    """Runs these stages in a flow. Returns the id of the flow run."""

    @flow(log_prints=True)
    def run():
        for address in addresses:
            flows.run_plan({address: []})
        return FlowRunContext.get().flow_run.id

    return run()


def test_a_flow_shows_bars_results_and_every_line_once(prefect, project, capfd):
    vary(project, "generator_training", augment=0.5)
    vary(project, "metrics", min_score=0.4)
    addresses = ("generator_training@ava", "metrics@ava_from_ben")
    run = submitted(*addresses)
    terminal, lines = capfd.readouterr().out, logged(run)
    assert [line for line in lines if "works" in line or line.endswith("...")] == [
        "generator_training@ava ...", "generator_training ava works",
        "metrics@ava_from_ben ...", "metrics ava_from_ben works"]
    assert len(lines) == len(set(lines)) == 8  # two from each task, two from each stage
    assert all(terminal.count(line) == 1 for line in lines)
    assert "%|" in terminal and "%|" not in "".join(lines)

    made = {one.key: one for one in shown(run)}
    progress, results = zip(*((made.pop(key), made.pop(f"{key}-results")) for key in
                              ("generator-training-ava", "metrics-ava-from-ben")))
    assert made == {} and [one.data for one in progress] == [100, 100]
    losses = {row.pop("loss"): row for row in json.loads(results[0].data)}
    assert losses["augment"] == {"step 1": "0.5", "step 2": "1", "step 4": "2"}
    assert json.loads(results[1].data) == [
        {"score": name, "value": "26.12 dB", "95 % interval": ""} for name in ("psnr", "video_psnr")]
    for address, result in zip(addresses, results):
        took = json.loads(layout.cost(*address.split("@")).read_text())
        assert result.description == f"{address}: {took['seconds']:g} s, {took['peak_gib']:g} GiB at most"
    assert shown(submitted(*addresses)) == []  # nothing is shown for stages that are up to date


@pytest.mark.filterwarnings("ignore")  # Prefect warns that there is no run
def test_a_stage_continues_without_a_server(project, capfd):
    vary(project, "metrics", min_score=0.4)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert tasks.reproduce("metrics@ava_from_ben") is True
    printed = capfd.readouterr()
    assert "metrics@ava_from_ben done in" in printed.out and project.ran() == ["metrics@ava_from_ben"]
    assert printed.err.count("metrics@ava_from_ben: progress is not shown in Prefect") == 1


def test_dvc_shows_changes_of_scores_and_curves(project):
    git = ["git", "-c", "user.name=a", "-c", "user.email="]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "before"], check=True)
    vary(project, "metrics", min_score=0.4)
    project.dvc("repro", "--single-item", "metrics@ava_from_ben")

    file = "artifacts/ava_from_ben/scores.json"
    changed = json.loads(project.dvc("metrics", "diff", "--json"))
    assert changed == {file: {"min_score": {"old": 0.3, "new": 0.4, "diff": pytest.approx(0.1)}}}
    header, *rows = csv.reader(project.dvc("exp", "show", "--csv").splitlines())
    assert [row[header.index("min_score")] for row in rows] == ["0.4", "0.3"]  # now, and as committed

    plots = json.loads(project.dvc("plots", "diff", "--json"))["data"]
    assert {str(Path(path).parent) for path in plots} == {"artifacts/ava_from_ben/metrics_plots", *(
        f"artifacts/{person}/{what}_plots" for person in ("ava", "ben") for what in ("generator", "local_gans"))}
    (curve,) = plots["artifacts/ava_from_ben/metrics_plots/min_score.tsv"]
    found = {}
    for point in curve["content"]["data"]["values"]:
        found.setdefault(point["rev"], []).append((point["frame"], float(point["min_score"])))
    assert found == {rev: [(frame, pytest.approx(int(frame) * score)) for frame in "124"]
                     for rev, score in (("workspace", 0.4), ("HEAD", 0.3))}
    page = Path(project.dvc("plots", "show").strip().removeprefix("file://"))
    assert "artifacts/ava/generator_plots/augment.tsv" in page.read_text()
