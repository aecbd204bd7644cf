"""The self-supervised inpainter on a striped wall with a person-shaped hole."""

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stages import InputError
from stages.imaging.image_quality import psnr
from stages.learning import inpainter_training

SIZE = 64


@pytest.fixture
def block(config):
    return config.presets["demo"].background_inpainting.model_copy(update={
        "inpainter": "gated", "width": 6, "steps": 3, "batch": 1, "learning_rate": 0.003, "device": "cpu"})


def wall(size: int = SIZE) -> np.ndarray:
    """Stripes above, a darker floor below."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    stripes = np.where(x // 4 % 2, 200, 120)
    return np.repeat(np.where(y < 11 / 16 * size, stripes, 60)[..., None], 3, 2).astype(np.uint8)  # (S, S, 3)


def person_hole(size: int = SIZE) -> np.ndarray:
    hole = np.zeros((size, size), np.uint8)
    x, y, wide, tall = (round(part * size / SIZE) for part in (30, 36, 9, 22))
    cv2.ellipse(hole, (x, y), (wide, tall), 0, 0, 360, 1, -1)
    return hole > 0


def wall_with_hole(size: int = SIZE) -> np.ndarray:
    return np.where(person_hole(size)[..., None], 0, wall(size)).astype(np.uint8)


def test_strokes_cover_a_part_and_depend_on_the_seed():
    drawn = [inpainter_training.strokes(np.random.default_rng(seed), (SIZE, SIZE)) for seed in range(40)]
    covered = [one.mean() for one in drawn]
    assert 0.02 < min(covered) and max(covered) < 0.9 and np.std(covered) > 0.05
    assert np.array_equal(drawn[7], inpainter_training.strokes(np.random.default_rng(7), (SIZE, SIZE)))


def test_the_shape_of_the_hole_is_moved_to_known_pixels():
    hole, rng = person_hole(), np.random.default_rng(0)
    for _ in range(20):
        moved = inpainter_training.moved_shape(rng, hole)
        assert (moved & ~hole).sum() > 0.25 * hole.sum()
        rows, columns = np.nonzero(moved)
        assert np.ptp(rows) <= 44 and np.ptp(columns) <= 18 and moved.sum() <= hole.sum()
    assert inpainter_training.moved_shape(rng, np.ones((SIZE, SIZE), bool)) is None


def test_training_samples_do_not_contain_unseen_pixels():
    other = np.where(person_hole()[..., None], 255, wall()).astype(np.uint8)
    for seed in range(6):
        started, holes, pictures, counted = inpainter_training.training_sample(
            np.random.default_rng(seed), wall(), person_hole())
        same = inpainter_training.training_sample(np.random.default_rng(seed), other, person_hole())
        assert torch.equal(started, same[0]) and torch.equal(holes, same[1])
        assert torch.equal(pictures * counted, same[2] * counted) and counted.sum() > 50
        assert torch.equal(torch.where(holes > 0, pictures, started), pictures)  # known pixels are unchanged
        assert (counted <= holes).all() and holes.sum() == (counted.sum() + person_hole().sum())


@pytest.mark.parametrize("weight", [0.0, 1.0], ids=["L1", "L1 and SN-PatchGAN"])
def test_no_loss_depends_on_unseen_pixels(block, weight):
    """Two backgrounds that differ only there give the same weights."""
    block = block.model_copy(update={"weight_adversarial": weight})
    walls = wall(), np.where(person_hole()[..., None], 255, wall()).astype(np.uint8)
    one, other = (inpainter_training.train(background, person_hole(), block, torch.device("cpu")).state_dict()
                  for background in walls)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_the_stripes_that_telea_blurs(block):
    empty, hole, true = wall_with_hole(40), person_hole(40), wall(40)
    filled = inpainter_training.inpaint(empty, hole, block.model_copy(update={"steps": 100, "width": 4}))
    assert np.array_equal(filled[~hole], true[~hole])
    telea = inpainter_training.telea(empty, hole)
    assert psnr(filled[hole], true[hole]) > psnr(telea[hole], true[hole]) + 3


def test_the_result_depends_on_the_seed(block):
    blocks = [block.model_copy(update={"seed": seed}) for seed in (1, 1, 2)]
    first, second, other = (inpainter_training.inpaint(wall_with_hole(), person_hole(), one) for one in blocks)
    assert np.array_equal(first, second) and not np.array_equal(first, other)


@pytest.mark.parametrize("save, name", [(save_file, "w.safetensors"), (torch.save, "w.pth")])
def test_initial_weights_are_used_and_trained_further(block, tmp_path, save, name):
    trained = inpainter_training.train(wall_with_hole(), person_hole(), block, torch.device("cpu"))
    save(trained.state_dict(), tmp_path / name)
    given = block.model_copy(update={"weights": str(tmp_path / name), "steps": 0})
    assert np.array_equal(inpainter_training.inpaint(wall_with_hole(), person_hole(), given),
                          inpainter_training.inpaint(wall_with_hole(), person_hole(), block))
    one_step = given.model_copy(update={"steps": 1})
    further = inpainter_training.train(wall_with_hole(), person_hole(), one_step, torch.device("cpu"))
    apart = [(a - b).abs().max().item() for a, b in zip(further.parameters(), trained.parameters())]
    assert 0 < max(apart) < 2 * block.learning_rate  # one step of Adam


def test_weights_of_another_width_and_missing_weights_are_rejected(block, tmp_path):
    other = inpainter_training.Inpainter(4)
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    cases = [({"weights": str(tmp_path / "w.safetensors")}, r"w\.safetensors: not the weights of this .*width 6: "),
             ({"steps": 0}, "0 steps needs `weights`")]
    for changes, message in cases:
        with pytest.raises(InputError, match=message):
            inpainter_training.inpaint(wall_with_hole(), person_hole(), block.model_copy(update=changes))


def test_sides_need_not_be_multiples_of_eight(block):
    picture, hole = wall_with_hole()[:61, :51], person_hole()[:61, :51]
    filled = inpainter_training.inpaint(picture, hole, block)
    assert filled.shape == picture.shape and np.array_equal(filled[~hole], picture[~hole])
