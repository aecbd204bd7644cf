"""What the user is told when an estimator cannot be had: not installed, no such model, the wrong file."""

import sys

import pytest
import torch

from stages import InputError, pretrained
from stages.estimators import network
from stages.estimators.person import adapter
from tests.conftest import small


@pytest.mark.parametrize("estimator", ["ultralytics", "detectron2"])
def test_an_estimator_that_is_not_installed_names_its_requirements_and_torchvision(config, monkeypatch, estimator):
    its_own = (f"{estimator}.", f"stages.estimators.{estimator}.")
    for name in [name for name in sys.modules if f"{name}.".startswith(its_own)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(f"stages.estimators.{estimator}", raising=False)
    monkeypatch.setitem(sys.modules, estimator, None)  # what Python takes for not installed
    with pytest.raises(InputError, match=rf"requirements-{estimator}\.txt.*torchvision"):
        adapter(small(config.presets["demo"].frames, estimator=estimator))


def test_every_choice_of_the_parameters_has_an_adapter_or_says_what_to_install(config):
    for estimator in ("mediapipe", "torchvision", "ultralytics", "detectron2"):
        try:
            module = adapter(small(config.presets["demo"].frames, estimator=estimator))
        except InputError:
            continue
        assert {"Detector", "Segmenter", "PoseEstimator"} <= set(vars(module))


@pytest.fixture
def file(monkeypatch):
    """Stands for a file of weights; gives a function that says what is in it."""
    monkeypatch.setattr(pretrained, "find", lambda name: f"weights/{name}")
    return lambda state: monkeypatch.setattr(pretrained, "load", lambda path: state)


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def test_weights_are_loaded_and_the_network_only_infers(file):
    state = {name: torch.randn(tensor.shape) for name, tensor in net().state_dict().items() if "tracked" not in name}
    file({**state, "something.else": torch.zeros(3)})
    loaded = network.load_trained(net(), "torchvision", "pose", "R50-FPN", "cpu")
    assert not loaded.training and not any(weight.requires_grad for weight in loaded.parameters())
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("change, told", [
    (lambda state: state.pop("1.running_var"), "1.running_var"),
    (lambda state: state.update({"0.weight": torch.zeros(5, 3, 3, 3)}), "0.weight"),
])
def test_another_networks_weights_are_refused(file, change, told):
    state = dict(net().state_dict())
    change(state)
    file(state)
    with pytest.raises(InputError, match=rf"keypointrcnn.*does not fit torchvision's R50-FPN.*{told}"):
        network.load_trained(net(), "torchvision", "pose", "R50-FPN", "cpu")


def test_an_unknown_model_names_those_there_are(file):
    with pytest.raises(InputError, match="no model R18.*R50-FPN"):
        network.load_trained(net(), "torchvision", "pose", "R18", "cpu")
