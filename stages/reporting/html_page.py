"""What a page carries inside of itself: pictures, videos and line charts as text, so that one HTML file is all."""

import base64
import html
from pathlib import Path

import cv2
import numpy as np

CHART = (240, 96)  # width and height of a chart's plane
POINTS = 160       # of a line: more are averaged


def picture(rgb: np.ndarray, quality: int = 88) -> str:
    """RGB (height, width, 3) uint8 as a JPEG data address."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return _address("image/jpeg", cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), flags)[1].tobytes())


def movie(path: Path) -> str:
    """An MP4 as a data address."""
    return _address("video/mp4", path.read_bytes())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def curve(name: str, x: np.ndarray, y: np.ndarray, from_zero: bool = True) -> str:
    """A line chart as SVG: y over x (both (n,)), from 0, where asked for, or the least value to the largest; NaN is
    left out, and nothing else gives an empty text. At its right stand the last value or the range."""
    keep = np.isfinite(y)
    if not keep.any():
        return ""
    count = min(POINTS, keep.sum())
    x, y = (np.array([part.mean() for part in np.array_split(v[keep].astype(float), count)]) for v in (x, y))
    low, high = min(y.min(), 0.0 if from_zero else np.inf), max(y.max(), y.min() + 1e-9)
    told = f"{y[-1]:.3g}" if from_zero else f"{low:.4g} to {high:.4g}"
    width, height = CHART
    across = (x - x[0]) / max(x[-1] - x[0], 1e-12) * width
    down = height - (y - low) / (high - low) * height
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down))
    return (
        f'<svg viewBox="-4 -20 {width + 8} {height + 40}" role="img" aria-label="{html.escape(name)}">'
        f'<text x="0" y="-7" class="name">{html.escape(name)}</text>'
        f'<text x="{width}" y="-7" class="last">{told}</text>'
        f'<path d="M0 0V{height}H{width}" class="axis"/><polyline points="{line}"/>'
        f'<text x="0" y="{height + 14}" class="tick">{x[0]:.0f}</text>'
        f'<text x="{width}" y="{height + 14}" class="tick end">{x[-1]:.0f}</text></svg>'
    )
