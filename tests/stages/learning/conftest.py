"""The training frames of the toy subject."""

import pytest

from stages.learning.frame_store import FrameStore
from stages.media.pose_table import read_poses


@pytest.fixture(scope="module")
def data(subject):
    paths = [subject[name] for name in ("frames", "masks", "background")]
    return FrameStore(*paths, read_poses(subject["poses"])[0], 10)
