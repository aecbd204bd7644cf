"""What happens to a published video: functions from frames (T, H, W, 3) RGB to frames."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from stages.media import footage, video_file
from stages.provenance import watermark

CRF = 18  # of fusion, in the demo preset


def marked(pictures: np.ndarray, number: int, fps: float) -> np.ndarray:
    mark = watermark.Watermark(number, pictures.shape[2:0:-1], fps)
    return np.stack([mark.apply(picture, frame) for frame, picture in enumerate(pictures)])


def timed(pictures: np.ndarray, fps: float, begin: float = 0.0) -> Iterator[tuple[float, np.ndarray]]:
    """Frames with their times in seconds."""
    return ((begin + frame / fps, picture) for frame, picture in enumerate(pictures))


def delivered(pictures: np.ndarray, fps: float, crf: float = CRF) -> tuple[np.ndarray, int]:
    """Encoded with the settings of fusion and decoded, and the size of the file in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        with video_file.h264(file, fps, crf, {}) as append:
            for picture in pictures:
                append(picture)
        return np.stack(list(footage.open_footage(file, None).pictures())), file.stat().st_size


def h264(pictures: np.ndarray, crf: int = 28) -> np.ndarray:
    """Encoded again with x264's default settings, as by a platform, and decoded."""
    pictures = pictures[:, : pictures.shape[1] // 2 * 2, : pictures.shape[2] // 2 * 2]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "threads": "1"})
        stream.pix_fmt, stream.height, stream.width = "yuv420p", *pictures.shape[1:3]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def half(pictures: np.ndarray) -> np.ndarray:
    return np.stack([cv2.resize(one, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for one in pictures])


def crop(pictures: np.ndarray) -> np.ndarray:
    """Crops a tenth of the width and height, unevenly on both sides."""
    height, width = pictures.shape[1:3]
    top, left = round(0.03 * height), round(0.07 * width)
    return np.ascontiguousarray(pictures[:, top : top + round(0.9 * height), left : left + round(0.9 * width)])


def together(pictures: np.ndarray) -> np.ndarray:
    return h264(half(crop(pictures)))


ALL = {"none": lambda pictures: pictures, "H.264 at CRF 28": h264, "half the size": half, "a tenth cropped": crop,
       "all three": together}
