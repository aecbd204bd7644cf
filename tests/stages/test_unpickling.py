"""Tensors in files of pretrained weights are read, and code in them does not run."""

import hashlib
import os
import pickle
import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from stages import InputError, pretrained
from stages.unpickling import tensors


class Bomb:
    """Creates a folder if it is unpickled with its code."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def save_torch(content, path):
    torch.save(content, path)


def save_old_torch(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("save, suffix", [(save_torch, ".pth"), (save_old_torch, ".pth"), (save_torch, ".pt")])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state, "epoch": 3},
                                  lambda state: {"state_dict": state}])
def test_state_dicts(tmp_path, save, suffix, wrap):
    state = {"a.weight": torch.randn(3, 2), "a.count": torch.tensor(7), "b": torch.randn(4).half()}
    save(wrap(state), tmp_path / f"net{suffix}")
    found = tensors(tmp_path / f"net{suffix}")
    assert found.keys() == state.keys() and found["b"].dtype == torch.float32
    assert all(torch.equal(found[name], value.float() if name == "b" else value) for name, value in state.items())


def test_arrays_of_detectron2(tmp_path):
    state = {"stem.weight": np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32), "n": np.arange(3)}
    save_pickle({"model": state, "__author__": "somebody"}, tmp_path / "net.pkl")
    found = tensors(tmp_path / "net.pkl")
    assert found.keys() == state.keys() and all((found[name].numpy() == state[name]).all() for name in state)


def test_names_of_nested_arrays(tmp_path):
    save_pickle({"Net_0": {"Conv_1": {"kernel": np.ones(2)}, "bias": np.zeros(1)}, "step": 3}, tmp_path / "net.ckpt")
    found = tensors(tmp_path / "net.ckpt")
    assert {name: value.tolist() for name, value in found.items()} == {"Net_0.Conv_1.kernel": [1, 1], "Net_0.bias": [0]}


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_of_old_and_new_numpy(tmp_path, module):
    data = pickle.dumps({"a": np.arange(4.0)}, protocol=2)
    for name in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        data = data.replace(name, module.encode())
    (tmp_path / "net.pkl").write_bytes(data)
    assert tensors(tmp_path / "net.pkl")["a"].tolist() == [0, 1, 2, 3]


def test_a_whole_network_is_read_without_its_code(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Linear(4, 2, bias=False))
    network.register_buffer("passing", torch.ones(2), persistent=False)
    torch.save({"model": deepcopy(network).half(), "ema": None, "train_args": {"lr": 0.1}}, tmp_path / "net.pt")
    found, wanted = tensors(tmp_path / "net.pt"), network.half().float().state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_ultralytics_checkpoints_fit_their_networks(tmp_path):
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    network = tasks.PoseModel("yolo11n-pose.yaml", verbose=False)
    torch.save({"model": deepcopy(network).half(), "ema": None, "date": "today"}, tmp_path / "net.pt")
    again = tasks.PoseModel("yolo11n-pose.yaml", verbose=False)
    again.load_state_dict(tensors(tmp_path / "net.pt"))
    assert all(torch.equal(a.half().float(), b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("save, suffix", [(save_torch, ".pt"), (save_old_torch, ".pth"), (save_pickle, ".pkl")])
def test_files_with_code_are_rejected_unless_trusted(tmp_path, monkeypatch, save, suffix):
    path, mark = tmp_path / f"net{suffix}", tmp_path / "exploded"
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    save({"model": {"a": torch.zeros(1) if suffix != ".pkl" else np.zeros(1)}, "extra": Bomb(mark)}, path)
    with pytest.raises(InputError, match=r"not loaded.*(posix|os|nt)\.mkdir.*trusted: true"):
        pretrained.load(path)
    assert not mark.exists()
    for digest, right in (("0" * 64, False), (hashlib.sha256(path.read_bytes()).hexdigest(), True)):
        trusted = pretrained.WeightFile(licence="own", trusted=True, sha256=digest)
        monkeypatch.setattr(pretrained, "table", lambda: {path.name: trusted})
        if right:
            assert pretrained.load(path).keys() == {"a"} and mark.exists()
        else:
            with pytest.raises(InputError, match="not the known file"):
                pretrained.load(path)
            assert not mark.exists()


def test_a_name_like_a_layers_does_not_run_code(tmp_path, monkeypatch):
    calls = []
    module = ModuleType("ultralytics.evil")

    class Layer:
        def __init__(self, state):
            calls.append(state)

        def __setstate__(self, state):
            calls.append(state)

        def __reduce__(self):
            return Layer, (1,), {"_parameters": {"a": torch.ones(1)}}

    Layer.__module__, Layer.__qualname__, module.Layer = module.__name__, "Layer", Layer
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save({"model": Layer(0)}, tmp_path / "net.pt")
    calls.clear()
    assert tensors(tmp_path / "net.pt").keys() == {"a"} and not calls


@pytest.mark.parametrize("content", [{}, {"model": {"a": 1}}, []])
def test_files_without_tensors(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(InputError, match="not a file of trained weights"):
        pretrained.load(tmp_path / "net.pth")
