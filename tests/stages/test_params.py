"""params.yaml: invalid values are rejected with an error that names them."""

from pathlib import Path

import pytest
import yaml

from stages import InputError, params, preset_block, presets
from tests import settings


def changed(tmp_path, *path, value) -> Path:
    """params.yaml with one value changed."""
    content = settings.content()
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return settings.write(tmp_path, content)


def test_the_repositorys_file_is_valid(config):
    assert {"demo", "paper"} <= set(config.presets)
    assert config.block("generator_training", "ava") == config.presets["demo"].generator_training


def test_the_paper_preset_has_the_papers_values(config):
    learn = config.presets["paper"].generator_training
    assert config.presets["paper"].frames.size == 512
    assert learn.clips * learn.clip_length == 10
    assert (learn.learning_rate, learn.betas, learn.parts, learn.features) == (1e-4, (0.9, 0.999), ("body",), "vgg19")


DEMO = ("presets", "demo")


@pytest.mark.parametrize("path, value, message", [
    ((*DEMO, "frames", "size"), 100, "presets.demo.frames.size.*multiple of 32"),
    ((*DEMO, "frames", "max_size"), 128, "frames: .*max_size: 128, but size is 256; expected at least that"),
    ((*DEMO, "generator_training", "num_downsamples"), 4,
     "frames.size and max_size: 256 and 640, so S may be 448, but .*patch_size 8 .* and num_downsamples 4 need multiples of 128"),
    ((*DEMO, "frames", "colour"), "red", "presets.demo.frames.colour.*not permitted"),
    ((*DEMO, "generator_training", "weight_gw"), -1, "weight_gw.*greater than or equal to 0"),
    ((*DEMO, "generator_training", "features"), "vgg11", "features.*vgg16.*vgg19"),
    ((*DEMO, "generator_training", "device"), "gpu; rm -rf", "device"),
    ((*DEMO, "retargeting", "median_frames"), 4, "must be odd"),
    *((place, value, rf"{place[-2]}.seed: .*{bound}.*got {value}") for value, bound in
      ((-1, "greater than or equal to 0"), (2**63, "less than 9223372036854775808"))
      for place in ((*DEMO, "background_inpainting", "seed"), (*DEMO, "generator_training", "seed"),
                    (*DEMO, "local_gan_training", "seed"), ("samples", "ava", "seed"))),
    *(((*DEMO, stage, "betas"), betas, rf"{stage}.betas.{wrong}: .*less than 1 ")
      for stage in ("generator_training", "local_gan_training")
      for betas, wrong in (([0.9, 1.0], 1), ([1.0, 0.999], 0))),
    ((*DEMO, "generator_training", "ema"), 1.0, "ema: .*less than 1 "),
    ((*DEMO, "local_gan_training", "ema"), 1.0, "ema: .*less than 1 "),
    ((*DEMO, "generator_training", "learning_rate"), float("inf"), "learning_rate: .*finite"),
    ((*DEMO, "generator_training", "weight_l1"), float("nan"), "weight_l1: .*finite"),
    ((*DEMO, "local_gan_training", "weight_l2"), float("inf"), "weight_l2: .*finite"),
    (("samples", "ava", "seconds"), float("inf"), "samples.ava.seconds: .*finite"),
    (("videos", "ben", "end"), float("inf"), "videos.ben.end: .*finite"),
    (("videos", "../../etc"), {"file": "a.mp4", "preset": "demo"}, "should match pattern"),
    (("videos", "a/b"), {"file": "a.mp4", "preset": "demo"}, "should match pattern"),
    (("videos", "samples"), {"file": "a.mp4", "preset": "demo"}, "name is taken"),
    (("videos", "ben", "preset"), "finest", "no preset `finest`"),
    (("subjects", "zoe"), {"preset": "demo", "consent": "synthetic"}, "no video of that name"),
    (("transfers", "ava_from_ben", "source"), "zoe", "no video `zoe`"),
    (("transfers", "ben"), {"target": "ava", "source": "ben", "preset": "demo",
                             "truth": "artifacts/samples/ben.mp4"}, "name is taken"),
    (("transfers", "ava_from_ben", "label"), False, "transfers.ava_from_ben.*give the reason in label_reason"),
    (("transfers", "ava_from_ben", "label"), "rather", "transfers.ava_from_ben.label"),
    (("samples", "ava", "motions"), ["fly"], "samples.ava.motions"),
    (("threads",), 0, "threads.*greater than or equal to 1"),
    (("threads",), "all", "threads.*'auto'"),
    (("variants", "td"), {"generator_training": {"weight_time": 0}},
     "over presets.(demo|best):.*variants.td.generator_training.weight_time: Extra"),
    (("variants", "td"), {"training": {"weight_temporal": 0}}, "variants.td.training: Extra"),
    (("variants", "td"), {"generator_training": {"dense": "rather"}}, "variants.td.generator_training.dense.*rather"),
    (("variants", "td"), {"generator_training": {"clip_length": 2}},
     "variants.td.generator_training.*consecutive frames"),
    (("variants", "td"), {"generator_training": {"adversarial_interval": 3, "weight_l1": 0, "weight_alpha": 0}},
     "variants.td.generator_training.*adversarial_interval: 3, but the steps in between have no loss"),
    ((*DEMO, "generator_training", "epochs"), 120, "generator_training: .*steps: 900, epochs: 120; expected a number for one"),
    ((*DEMO, "generator_training", "steps"), None, "generator_training: .*steps: None, epochs: None; expected a number for one"),
    ((*DEMO, "generator_training", "num_downsamples"), 7,
     "frames.size and max_size: 256 and 640, so S may be 256, but .*patch_size 4 .* and num_downsamples 7 need multiples of 512"),
    ((*DEMO, "generator_training", "run_length"), 3, "generator_training: .*`run_length` is now called `clip_length`"),
    ((*DEMO, "generator_training", "pose_maps"), "fields", "`pose_maps: fields` is now `pose_maps: limbs`"),
    ((*DEMO, "local_gan_training", "crop"), 40, "local_gan_training: .*`crop` is now called `crop_share` and is a share of S"),
    (("variants", "td"), {"generator_training": {"drawing": "lines"}},
     "variants.td.generator_training.*`drawing` is now called `pose_maps`"),
    (("variants", "td"), {"generator_training": 0}, "variants.td.generator_training.*dictionary"),
    (("variants", "T D"), {}, "variants.T D.*should match pattern"),
])
def test_wrong_entries_are_named(tmp_path, path, value, message):
    with pytest.raises(InputError, match=f"(?s)params.yaml.*{message}"):
        params.load(changed(tmp_path, *path, value=value))


@pytest.mark.parametrize("epochs, frames, steps", [(120, 1500, 18_000), (1, 11, 2), (3, 10, 3)])
def test_epochs_are_as_many_steps_as_draw_every_frame_that_often(epochs, frames, steps):
    block = params.load(settings.FILE).presets["paper"].generator_training  # batches of ten frames
    found = block.model_copy(update={"epochs": epochs}).for_frames(frames, 512)
    assert (found.steps, found.epochs) == (steps, None)
    assert found.for_frames(7, 512) == found


@pytest.mark.parametrize("size, patch_size, refiners, reduction", [
    (256, 4, 2, 1), (320, 4, 2, 1), (384, 4, 2, 2), (448, 8, 4, 2), (640, 8, 4, 2), (960, 16, 8, 4)])
def test_large_frames_have_larger_patches_and_are_reduced_at_first(size, patch_size, refiners, reduction):
    preset = params.load(settings.FILE).presets["demo"]
    block = preset.generator_training.for_frames(10, size)
    assert (block.patch_size, preset.local_gan_training.for_frames(size).patch_size) == (patch_size, refiners)
    assert (block.reduction(0, size), block.reduction(block.steps - 1, size)) == (reduction, 1)
    paper = preset.generator_training.model_copy(update={"architecture": "fakemotion"}).for_frames(10, size)
    assert (paper.patch_size, paper.reduction(0, size), paper.windowed) == (4, 1, False)


def test_variants_are_checked_with_every_preset(tmp_path):
    """Without the temporal discriminator shorter clips are valid."""
    file = changed(tmp_path, "presets", "demo", "generator_training", "weight_temporal", value=0.0)
    content = yaml.safe_load(file.read_text())
    content["variants"] = {"pairs": {"generator_training": {"clip_length": 2, "clips": 2}}}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="(?s)over presets.(best|paper).*variants.pairs.generator_training"):
        params.load(file)


def test_a_variant_changes_only_its_fields(config):
    for preset, own in config.presets.items():
        for variant, blocks in config.variants.items():
            varied = config.with_variants(preset, variant).model_dump(mode="json")
            for stage, fields in own.model_dump(mode="json").items():
                assert varied[stage] == {name: blocks.get(stage, {}).get(name, value) for name, value in fields.items()}


def test_unknown_variants_are_named(config):
    with pytest.raises(InputError, match="no `tdd` in `variants`; there are .*td"):
        config.with_variants("demo", "tdd")
    with pytest.raises(InputError, match="no `fast` in `presets`; there are demo"):
        config.with_variants("fast", "td")


def test_missing_values_are_rejected(tmp_path):
    content = settings.content()
    del content["presets"]["demo"]["frames"]["margin"]
    file = settings.write(tmp_path, content)
    with pytest.raises(InputError, match="presets.demo.frames.margin: Field required"):
        params.load(file)


def test_training_without_consent_says_what_to_write():
    with pytest.raises(InputError, match="subjects.zoe has no consent. Write who agreed, when, to what"):
        params.Subject(preset="demo").require_consent("zoe")


def test_unknown_addresses_are_named(config):
    with pytest.raises(InputError, match="no stage `pose`"):
        config.entry("pose", "ava")
    with pytest.raises(InputError, match="no `zoe` in `videos`; there are ava, ben"):
        config.entry("frames", "zoe")


def test_former_names_are_not_in_use():
    for block, names in preset_block.RENAMED.items():
        fields = getattr(presets, block).model_fields
        assert not set(names) & set(fields) and all(new in fields for old, new in names.items() if ":" not in old)
