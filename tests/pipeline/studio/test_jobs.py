"""What a job writes into params.yaml, and how it interprets the events of its run."""

import hashlib
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.studio import jobs, uploads
from pipeline.studio.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Job, Step
from stages import InputError, params
from stages.media import video_file

ROOT = Path(__file__).parents[3]
CONSENT = {"who": "Ana Ruiz", "when": "2020-02-02", "scope": "one dance", "record": "forms/ana.pdf"}
PLAN = ["frames@ana", "pose_extraction@ana", "frames@cho"]


@pytest.fixture
def clips(tmp_path, monkeypatch) -> dict[str, Path]:
    """Two videos, next to a project with the repository's own params.yaml."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    shutil.copytree(ROOT / "metric_weights", "metric_weights")
    files = {name: tmp_path / f"{name}.mp4" for name in ("ana", "cho")}
    for shade, file in enumerate(files.values()):
        with video_file.h264(file, 25.0, 20, {}) as add:
            for i in range(4):
                add(np.full((32, 32, 3), 40 * i + shade, np.uint8))
    return files


def ordered(clips, target="ana", source="cho", preset="demo", agreed=True, **consent) -> Job:
    files = (clips.get(name) for name in (target, source))
    return jobs.create_job(*files, preset, CONSENT | consent, agreed)


def test_a_job_becomes_entries(clips):
    made = ordered(clips)
    config = params.load()
    assert made.command() == ["-m", "pipeline", "run", "ana", "--from", "cho", "--as", "ana_from_cho"]
    assert {name: config.videos[name].file for name in ("ana", "cho")} == {
        "ana": "studio/videos/ana.mp4", "cho": "studio/videos/cho.mp4"}
    consent = config.subjects["ana"].consent
    assert {name: str(getattr(consent, name)) for name in CONSENT} == CONSENT and "cho" not in config.subjects
    transfer = config.transfers["ana_from_cho"]
    assert (transfer.target, transfer.source, transfer.truth) == ("ana", "cho", "studio/videos/cho.mp4")
    steps = list(made.steps)  # in the order of the plan: pose_coverage runs before any training
    assert steps.index("pose_coverage@ana_from_cho") < steps.index("generator_training@ana")
    assert steps[-1] == "report@ana_from_cho"


def test_a_record_is_written_on_one_line(clips):
    ordered(clips, scope=" one dance,\n for  'her' site: #1 ")
    assert params.load().subjects["ana"].consent.scope == "one dance, for 'her' site: #1"


@pytest.mark.parametrize("scope", [
    '"one" dance: {it}, [x] & *y #1 %', "- 'no'", "a\x00b\u2028c \U0001F483", "null", "~", "7"])
def test_any_text_of_a_record_stays_text(clips, scope):
    ordered(clips, scope=scope)
    assert params.load().subjects["ana"].consent.scope == scope.replace("\u2028", " ")


def test_the_same_job_again_keeps_the_first_consent(clips):
    ordered(clips)
    before = Path("params.yaml").read_bytes()
    ordered(clips, when="2020-02-03")
    assert Path("params.yaml").read_bytes() == before


def test_a_removed_consent_is_not_replaced(clips):
    ordered(clips)
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["subjects"]["ana"]["consent"] = None
    Path("params.yaml").write_text(before := yaml.safe_dump(content))
    with pytest.raises(InputError, match="consent: params.yaml has the subject ana without consent. Write subjects.ana.consent there"):
        ordered(clips, source="ana")
    assert Path("params.yaml").read_text() == before


@pytest.mark.parametrize("name", ["who", "scope", "record"])
def test_a_different_consent_for_the_same_person_is_rejected(clips, name):
    """Otherwise a narrower consent would get the hash of the first."""
    ordered(clips)
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match="consent: params.yaml has another record for ana: Ana Ruiz.*change subjects.ana.consent"):
        ordered(clips, **{name: "something else"})
    assert Path("params.yaml").read_bytes() == before and ordered(clips, **{name: f" {CONSENT[name]}  "})


def test_a_signed_form_is_recorded_with_its_checksum(clips):
    Path("forms").mkdir()
    Path("forms/ana.pdf").write_bytes(b"signed")
    ordered(clips)
    consent = params.load().subjects["ana"].consent
    assert consent.sha256 == hashlib.sha256(b"signed").hexdigest()
    params.load().subjects["ana"].require_consent("ana")


def test_the_users_changes_to_params_yaml_stay(clips):
    ordered(clips)
    file = Path("params.yaml")
    text = file.read_text().replace("truth: studio/videos/cho.mp4", "truth: none.mp4, label: false, label_reason: test")
    text = text.replace("file: studio/videos/ana.mp4", "file: studio/videos/ana.mp4, person: 1")
    file.write_text(text)
    (Path("none.mp4")).touch()
    assert ordered(clips).key == "ana_from_cho" and file.read_text() == text


def test_one_video_twice_is_a_reconstruction(clips):
    assert ordered(clips, source="ana").key == "ana_from_ana" and params.load().transfers["ana_from_ana"].reconstruction


def test_a_source_can_become_a_target(clips):
    ordered(clips)
    assert ordered(clips, "cho", "ana").key == "cho_from_ana"
    assert params.load().subjects["cho"].consent.who == "Ana Ruiz"


@pytest.mark.parametrize("change, message", [
    ({"target": "nobody"}, "the target video is missing"),
    ({"source": "nobody"}, "the source video is missing"),
    ({"who": " "}, "consent: write who agreed$"),
    ({"who": "", "scope": "", "record": ""}, "write who agreed; what they agreed to; where that is written down"),
    ({"when": None}, "consent: write when they agreed"),
    ({"when": "22.11.2026"}, "consent: 22.11.2026 is not a date"),
    ({"when": f"{date.today() + timedelta(7)}"}, "is in the future"),
    ({"agreed": False}, "required before a video of this person is made"),
    ({"preset": "worst"}, "no preset `worst`; there are demo"),
])
def test_missing_fields_are_reported_and_nothing_is_stored(clips, change, message):
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match=message):
        ordered(clips, **change)
    assert Path("params.yaml").read_bytes() == before and not uploads.VIDEOS.exists()


def test_an_unusable_source_stores_nothing_of_the_target(clips):
    clips["cho"].write_text("text")
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match="cho.mp4: not a video"):
        ordered(clips)
    assert Path("params.yaml").read_bytes() == before and not uploads.VIDEOS.exists()


def event(kind: str, address: str = "frames@ana", **fields) -> dict:
    return {"kind": kind, "address": address} | fields


def heard(*output: str | dict) -> tuple[Job, list[str]]:
    """A job that has handled these items, and the addresses of the steps that ended, in order."""
    made = Job("ana", "cho", "ana_from_cho", "demo", {address: Step(address) for address in PLAN}, RUNNING)
    return made, [step.address for one in output for step in made.on_output(one)]


def states(made: Job) -> list[str]:
    return [step.state for step in made.steps.values()]


def test_steps_follow_what_is_reported():
    poses = "pose_extraction@ana"
    made, over = heard("1 of 3 stages are up to date\n", event("started", poses),
                       event("progress", poses, what="pose_extraction", done=3, total=6, unit="it", elapsed=1.0, rate=2.9,
                             note=None))
    assert states(made) == [Step.UP_TO_DATE, RUNNING, WAITING] and over == ["frames@ana"]
    assert made.running_step.percent == 50 and made.running_step.progress_text == "3/6 [00:01<00:01,  2.90it/s]"
    made.on_output(event("line", poses, text="pose_extraction: a body in 6 of 6 frames: all"))
    made.on_output(event("line", poses, text="pose_extraction@ana: 1.9 s, 0.4 GiB at most"))
    done = event("done", poses, computed=True, seconds=1.96)
    assert [step.address for step in made.on_output(done)] == [poses]
    step = made.steps[poses]
    assert (step.last_line, step.progress_text, made.num_done) == ("a body in 6 of 6 frames: all", "2.0 s", 2)
    assert [step.address for step in made.on_exit(0)] == ["frames@cho"]
    assert made.state == DONE and states(made) == [Step.UP_TO_DATE, DONE, Step.UP_TO_DATE]


def test_a_cached_stage_is_up_to_date():
    made, over = heard(event("started"), event("done", computed=False, seconds=0.4), event("started", "others@ana"),
                       "pose_extraction@ana ...\n")  # printed lines are not interpreted
    assert states(made) == [Step.UP_TO_DATE, WAITING, WAITING] and over == ["frames@ana"]


def test_parallel_stages_are_distinguished():
    made, _ = heard(event("started"), event("started", "frames@cho"), event("line", text="frames: of ana"),
                    event("line", "frames@cho", text="frames: of cho"))
    assert [made.steps[f"frames@{who}"].last_line for who in ("ana", "cho")] == ["of ana", "of cho"]


@pytest.mark.parametrize("last, error", [
    ([event("failed", message="frames@ana: nobody is in this video\n  in no frame of it"), "printed\n"],
     "frames@ana: nobody is in this video\n  in no frame of it"),
    (["Traceback\n", "ZeroDivisionError: a bug\n"], "works\nTraceback\nZeroDivisionError: a bug"),
])
def test_a_failure_shows_the_runs_own_error(last, error):
    made, _ = heard(event("started"), "works\n", *last)
    assert made.on_exit(1) == [] and made.state == FAILED and made.error == error
    assert states(made) == [FAILED, WAITING, WAITING]


def test_a_stopped_job_has_not_failed():
    made, _ = heard(event("started"), event("failed", message="ended"))
    made.stopping = True
    made.on_exit(143)
    assert (made.state, made.error) == (STOPPED, "") and states(made) == [STOPPED, WAITING, WAITING]


def test_result_files():
    assert {name: path.name for name, path in jobs.result_files("a_from_b").items()} == {
        "video": "video.mp4", "report": "report.html"}
