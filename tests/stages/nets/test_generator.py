import pytest
import torch

from stages.nets.generator import Generator, GeneratorShape


@pytest.mark.parametrize("patch_size", [1, 2, 4])
@pytest.mark.parametrize("dense", [True, False])
def test_foreground_is_a_premultiplied_picture_of_full_size(patch_size, dense):
    network = Generator(GeneratorShape(
        width=8, max_channels=64, num_downsamples=3, patch_size=patch_size, dense=dense, inputs=9))
    foreground = network(torch.rand(2, 9, 64 // patch_size, 64 // patch_size))
    assert foreground.shape == (2, 4, 64, 64)
    assert (foreground >= 0).all() and (foreground[:, :3] <= foreground[:, 3:]).all()


def test_dense_decoders_read_every_finer_encoder():
    """A change in E_0's features reaches D_2 directly: with all other paths to it cut, the gradient is not zero."""
    def reach(dense):
        network = Generator(GeneratorShape(
            width=8, max_channels=64, num_downsamples=3, patch_size=1, dense=dense, inputs=9))
        finest = torch.rand(1, 8, 32, 32, requires_grad=True)
        others = [torch.rand(1, 16, 16, 16), torch.rand(1, 32, 8, 8)]
        skips = torch.cat(network.unet._skips([finest, *others], 2), 1)
        gradient, = torch.autograd.grad(network.unet.decoders[2](torch.cat([torch.rand(1, 64, 8, 8), skips], 1)).sum(),
                                        finest, allow_unused=True)
        return gradient is not None and bool(gradient.abs().sum() > 0)

    assert reach(True) and not reach(False)
