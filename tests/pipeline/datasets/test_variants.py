"""A variant becomes a preset that DVC can track, and nothing else in the file changes."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.__main__ import main
from pipeline.datasets import variants
from stages import InputError, params

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """The repository's own params.yaml, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    return path


@pytest.mark.parametrize("preset, variant", [("demo", "edn"), ("paper", "td")])
def test_the_preset_is_added_and_every_other_byte_stays(file, preset, variant):
    before, config = file.read_text(), params.load()
    assert f"presets.{preset}_{variant} is new" in variants.write(config, variant, preset)
    assert params.load().presets[f"{preset}_{variant}"] == config.with_variants(preset, variant)
    assert file.read_text().startswith(before)


SHORT = "variants:\n  td: {generator_training: {weight_temporal: 0.0}}\n"


@pytest.mark.parametrize("tail", ["", "\n# people\n", "\n# people\nvideos: {}\n", "\n\n# variants\n" + SHORT])
def test_presets_anywhere_in_the_file(tmp_path, tail):
    """Indented by four, `presets` first, in the middle or last, without a newline at the end."""
    config = params.load(ROOT / "params.yaml")
    blocks = {"demo": config.presets["demo"].model_dump(mode="json")}
    people = ("samples", "videos", "subjects", "transfers")
    head = yaml.safe_dump({"threads": "auto"} | {name: {} for name in people if f"{name}:" not in tail})
    text = head + ("" if SHORT in tail else SHORT) + yaml.safe_dump({"presets": blocks}, indent=4).rstrip("\n") + tail
    path = tmp_path / "params.yaml"
    path.write_text(text)
    variants.write(params.load(path), "td", "demo", path)
    found = params.load(path)
    assert found.presets["demo_td"] == found.with_variants("demo", "td") != found.presets["demo"]
    assert path.read_text().endswith(tail) and path.read_text().startswith(text.removesuffix(tail))


def test_an_existing_preset_is_left_unchanged(file):
    variants.write(params.load(), "td", "demo")
    once = file.read_text()
    assert "already" in variants.write(params.load(), "td", "demo") and file.read_text() == once
    content = yaml.safe_load(once)
    content["presets"]["demo_td"]["generator_training"]["steps"] += 1
    file.write_text(changed := yaml.safe_dump(content))
    with pytest.raises(InputError, match="presets.demo_td: exists already with other values"):
        variants.write(params.load(), "td", "demo")
    assert file.read_text() == changed


def test_an_uneditable_file_is_left_unchanged(file):
    content = json.loads(json.dumps(yaml.safe_load(file.read_text())))  # without the file's anchors
    presets = content.pop("presets")
    file.write_text(text := yaml.safe_dump(content) + f"presets: {yaml.safe_dump(presets, default_flow_style=True)}")
    with pytest.raises(InputError, match="cannot add to `presets`"):
        variants.write(params.load(), "td", "demo")
    assert file.read_text() == text


def test_dvc_caches_the_results_of_both_presets(project):
    """A subject that switches to the variant is trained again; after switching back, its results come from the cache.
    """
    project.change(variants={"td": {"generator_training": {"weight_temporal": 0.0}}})
    variants.write(params.load(), "td", "demo")
    own = (project.folder / "artifacts/ava/generator").read_text()
    for preset, ran in (("demo_td", ["generator_training@ava"]), ("demo", [])):
        project.change(subjects={"ava": {"preset": preset}})
        project.dvc("repro", "--single-item", "generator_training@ava")
        assert project.ran() == ran
        given = (project.folder / "artifacts/ava/generator").read_text()
        assert ("weight_temporal=0.0" in given, given == own) == (bool(ran), not ran)


@pytest.mark.parametrize("arguments, message", [
    (["edn", "--of", "demo"], "presets.demo_edn is new"),
    (["nda", "--of", "demo"], "no `nda` in `variants`; there are"),
])
def test_the_command(file, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["pipeline", "variant", *arguments])
    failed = main()
    out, error = capsys.readouterr()
    assert message in (error if failed else out) and failed == ("nda" in arguments)
