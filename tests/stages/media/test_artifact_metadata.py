"""Every type of file that a stage writes contains the consent hash, and other software can read it."""

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from stages.learning import saved_networks
from stages.media import artifact_metadata, parquet, png, video_file

PICTURE = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)


def lossless(path):
    with video_file.lossless(path, 10.0) as add:
        add(PICTURE)


def h264(path):
    with video_file.h264(path, 10.0, 20, {"title": "t"}) as add:
        add(PICTURE)


def table(path):
    parquet.write(path, pa.schema([("frame", pa.int32())]), {"frame": [1]}, {"fps": 10})


def container(path) -> dict:
    with av.open(str(path)) as file:
        return {name.lower(): value for name, value in file.metadata.items()}


def tensors(path) -> dict:
    with safe_open(path / "model.safetensors", "pt") as file:
        return file.metadata() or {}


FILES = {
    "a.png": (lambda path: png.write(path, PICTURE), lambda path: Image.open(path).text),
    "a.mkv": (lossless, container),
    "a.mp4": (h264, container),
    "a.parquet": (table, lambda path: parquet.json.loads(pq.read_schema(path).metadata[b"about"])),
    "a": (lambda path: saved_networks.save(path, {"w": torch.ones(1)}, {}), tensors),
}


@pytest.mark.parametrize("name", FILES)
def test_files_contain_the_consent(tmp_path, name):
    write, read = FILES[name]
    (tmp_path / "plain").mkdir()
    with artifact_metadata.attached({"consent": "c0ffee"}):
        write(tmp_path / name)
    write(tmp_path / "plain" / name)
    assert read(tmp_path / name)["consent"] == "c0ffee"
    assert "consent" not in read(tmp_path / "plain" / name)


def test_png_pixels_do_not_change(tmp_path):
    with artifact_metadata.attached({"consent": "c0ffee"}):
        png.write(tmp_path / "a.png", PICTURE)
    np.testing.assert_array_equal(png.read(tmp_path / "a.png"), PICTURE)
