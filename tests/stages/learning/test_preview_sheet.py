import numpy as np
import torch

from stages.learning.preview_sheet import preview_sheet


def test_images_stand_side_by_side_and_rows_below_each_other():
    rows = [torch.full((3, 3, 4, 2), value) for value in (0.0, 0.5, 2.0)]
    rows[1][2] = 1.0
    sheet = preview_sheet(rows)
    assert sheet.shape == (12, 6, 3) and sheet.dtype == np.uint8
    assert (sheet[:4] == 0).all() and (sheet[4:8, :4] == 128).all() and (sheet[4:8, 4:] == 255).all()
    assert (sheet[8:] == 255).all()  # values are clamped
