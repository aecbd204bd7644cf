"""Speed and memory of reading the user's videos: python -m tests.benchmarks.footage

Compared with a plain loop over PyAV's frames on the same file, in alternating runs, each in a separate process. Exits
with 1 if a goal is missed.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from stages.media import footage
from tests.benchmarks.figures import Figure

TURNS = 3
CODECS = {  # name: encoder, its options, pixels, size, frames per second
    "H.264 1080p": ("libx264", {"preset": "veryfast"}, "yuv420p", (1920, 1080), 30),
    "HEVC 10-bit 1080p": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}, "yuv420p10le",
                          (1920, 1080), 30),
    "AV1 1080p": ("libsvtav1", {"preset": "12"}, "yuv420p", (1920, 1080), 30),
    "H.264 4K 60 fps": ("libx264", {"preset": "ultrafast"}, "yuv420p", (3840, 2160), 60),
}


def write(path: Path, codec: str, options: dict, kind: str, size: tuple[int, int], fps: int, seconds: float) -> Path:
    """Writes a video of a blurred texture that moves across the picture."""
    width, height = size
    texture = np.random.default_rng(0).integers(0, 256, (height // 8 + 20, width // 8 + 20, 3), np.uint8)
    texture = cv2.resize(texture, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, kind
        for i in range(round(fps * seconds)):
            at = i % 100
            picture = np.ascontiguousarray(texture[at : at + height, at : at + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def ours(path: Path) -> int:
    return sum(1 for _ in footage.open_footage(path, None).pictures())


def bare(path: Path) -> int:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        pictures = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return sum(1 for _ in pictures)


def opencv(path: Path) -> int:
    reader, count = cv2.VideoCapture(str(path)), 0
    while reader.read()[0]:
        count += 1
    return count


def thumbnails(path: Path) -> int:
    return sum(shot.thumbnail(256).ndim == 3 for shot in footage.open_footage(path, None).frames())


LOOPS = {loop.__name__: loop for loop in (ours, bare, opencv, thumbnails)}


def measure(loop, path: Path) -> tuple[float, float]:
    """Frames per second and peak memory in MiB, measured in a separate process."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, loop.__name__, str(path)],
                          capture_output=True, text=True, check=True)
    rate, peak = done.stdout.split()
    return float(rate), float(peak)


def main() -> int:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, options, kind, size, fps) in CODECS.items():
            path = write(Path(folder) / "a.mp4", codec, options, kind, size, fps, 8 if size[0] < 3000 else 4)
            rates = {loop: 0.0 for loop in LOOPS.values()}
            for _ in range(TURNS):
                rates = {loop: max(best, measure(loop, path)[0]) for loop, best in rates.items()}
            remark = ", ".join(f"{loop.__name__} {rate:.0f}" for loop, rate in rates.items()) + " frames/s"
            figures.append(Figure(f"{name}: frames/s, share of PyAV's own loop", rates[ours] / rates[bare], 0.9,
                                  remark=remark))
        given = ("libx264", {"preset": "ultrafast"}, "yuv420p", (1280, 720), 30)
        short, long = (measure(ours, write(Path(folder) / f"{n}.mp4", *given, 3.0 * n))[1] for n in (1, 10))
        figures.append(Figure("memory on a video ten times as long", long / short, 1.1, at_most=True,
                              remark=f"{short:.0f} and {long:.0f} MiB"))
    print("\n".join(figure.row() for figure in figures))
    return 0 if all(figure.met for figure in figures) else 1


def run_loop(name: str, path: Path) -> None:
    begun = time.perf_counter()
    count = LOOPS[name](path)
    print(count / (time.perf_counter() - begun), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


if __name__ == "__main__":
    sys.exit(run_loop(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 1 else main())
