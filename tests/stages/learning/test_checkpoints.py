import torch

from stages import threads
from stages.learning.checkpoints import Checkpoint


def test_only_the_same_training_finds_a_state(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames.mkv").write_bytes(b"pixels")
    block = config.presets["demo"].generator_training
    checkpoint = Checkpoint("generator_training", [tmp_path / "frames.mkv"], block)
    assert checkpoint.load() is None
    checkpoint.save({"step": 3, "weights": torch.ones(2)})

    again = Checkpoint("generator_training", [tmp_path / "frames.mkv"], block).load()
    assert again["step"] == 3 and torch.equal(again["weights"], torch.ones(2))
    assert Checkpoint("generator_training", [tmp_path / "frames.mkv"], block.model_copy(update={"seed": 9})).load() is None
    with threads.using(1):
        assert Checkpoint("generator_training", [tmp_path / "frames.mkv"], block).load() is None
    (tmp_path / "frames.mkv").write_bytes(b"others")
    assert Checkpoint("generator_training", [tmp_path / "frames.mkv"], block).load() is None
    checkpoint.remove()
    assert checkpoint.load() is None
