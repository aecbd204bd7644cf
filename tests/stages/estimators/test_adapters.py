"""Errors when an estimator is not available: not installed, unknown model, wrong weights."""

import sys

import pytest
import torch

from stages import InputError, pretrained
from stages.estimators import instances
from stages.estimators.person import adapter
from tests.conftest import small


@pytest.mark.parametrize("estimator", ["ultralytics", "detectron2"])
def test_an_estimator_that_is_not_installed_names_its_requirements_and_torchvision(config, monkeypatch, estimator):
    prefixes = (f"{estimator}.", f"stages.estimators.{estimator}.")
    for name in [name for name in sys.modules if f"{name}.".startswith(prefixes)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(f"stages.estimators.{estimator}", raising=False)
    monkeypatch.setitem(sys.modules, estimator, None)  # Python treats it as not installed
    with pytest.raises(InputError, match=rf"requirements-{estimator}\.txt.*torchvision"):
        adapter(small(config.presets["demo"].frames, estimator=estimator))


def test_every_choice_in_params_has_an_adapter_or_is_not_installed(config):
    for estimator in ("mediapipe", "torchvision", "ultralytics", "detectron2"):
        try:
            module = adapter(small(config.presets["demo"].frames, estimator=estimator))
        except InputError:
            continue
        assert {"Detector", "Segmenter", "PoseEstimator"} <= set(vars(module))


@pytest.fixture
def file(monkeypatch):
    """Fakes a weights file; a function that sets its content."""
    monkeypatch.setattr(pretrained, "find", lambda name: f"weights/{name}")
    return lambda state: monkeypatch.setattr(pretrained, "load", lambda path: state)


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def test_weights_are_loaded_for_inference(file):
    state = {name: torch.randn(tensor.shape) for name, tensor in net().state_dict().items() if "tracked" not in name}
    file({**state, "something.else": torch.zeros(3)})
    loaded = instances.load_trained(net(), "torchvision", "pose", "R50-FPN", "cpu")
    assert not loaded.training and not any(weight.requires_grad for weight in loaded.parameters())
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("change, message", [
    (lambda state: state.pop("1.running_var"), "1.running_var"),
    (lambda state: state.update({"0.weight": torch.zeros(5, 3, 3, 3)}), "0.weight"),
])
def test_weights_of_another_network_are_rejected(file, change, message):
    state = dict(net().state_dict())
    change(state)
    file(state)
    with pytest.raises(InputError, match=rf"keypointrcnn.*does not fit torchvision's R50-FPN.*{message}"):
        instances.load_trained(net(), "torchvision", "pose", "R50-FPN", "cpu")


def test_the_error_for_an_unknown_model_lists_the_valid_ones(file):
    with pytest.raises(InputError, match="no model R18.*R50-FPN"):
        instances.load_trained(net(), "torchvision", "pose", "R18", "cpu")
