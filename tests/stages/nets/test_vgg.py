"""Pre-trained features: the file in weights/ is what is used, and without it training stops."""

import pytest
import torch
from torchvision import models

from stages import InputError
from stages.nets import vgg


def test_weights_folder_is_read(tmp_path, monkeypatch):
    planted = models.vgg.make_layers(models.vgg.cfgs["E"])
    monkeypatch.chdir(tmp_path)
    vgg.FILE.parent.mkdir()
    torch.save({f"features.{name}": tensor for name, tensor in planted.state_dict().items()}, vgg.FILE)
    network, pictures = vgg.Vgg("vgg19", 1), torch.rand(1, 3, 16, 16)
    normalised = (pictures - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    assert torch.equal(network(pictures)[0], planted[:2](normalised))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_missing_weights_stop_with_what_to_do(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(InputError, match="weights/vgg19.*random"):
        vgg.Vgg("vgg19", 1)
