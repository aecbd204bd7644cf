"""Embeds pictures, videos and line charts in an HTML page, so that the page is a single file."""

import base64
import html
from pathlib import Path

import cv2
import numpy as np

CHART_SIZE = (240, 96)  # width and height of a chart's plot area
MAX_POINTS = 160        # of a line; values in between are averaged


def jpeg_url(rgb: np.ndarray, quality: int = 88) -> str:
    """RGB (height, width, 3) uint8 as a data URL of a JPEG."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return _data_url("image/jpeg", cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), flags)[1].tobytes())


def mp4_url(path: Path) -> str:
    """An MP4 file as a data URL."""
    return _data_url("video/mp4", path.read_bytes())


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def line_chart(name: str, x: np.ndarray, y: np.ndarray) -> str:
    """An SVG line chart of y over x, (n,) each, with the last value of y at the right. The y axis contains 0. NaN is
    left out; without any finite value the text is empty."""
    keep = np.isfinite(y)
    if not keep.any():
        return ""
    count = min(MAX_POINTS, keep.sum())
    x, y = (np.array([part.mean() for part in np.array_split(v[keep].astype(float), count)]) for v in (x, y))
    low, high = min(y.min(), 0.0), max(y.max(), y.min() + 1e-9)
    width, height = CHART_SIZE
    across = (x - x[0]) / max(x[-1] - x[0], 1e-12) * width
    down = height - (y - low) / (high - low) * height
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down))
    return (
        f'<svg viewBox="-4 -20 {width + 8} {height + 40}" role="img" aria-label="{html.escape(name)}">'
        f'<text x="0" y="-7" class="name">{html.escape(name)}</text>'
        f'<text x="{width}" y="-7" class="last">{y[-1]:.3g}</text>'
        f'<path d="M0 0V{height}H{width}" class="axis"/><polyline points="{line}"/>'
        f'<text x="0" y="{height + 14}" class="tick">{x[0]:.0f}</text>'
        f'<text x="{width}" y="{height + 14}" class="tick end">{x[-1]:.0f}</text></svg>'
    )
