"""Converts decoded frames to RGB for a standard display: (height, width, 3) uint8, BT.709 primaries.

The conversion respects the frame's matrix (BT.601, BT.709, BT.2020), range (limited, full), bit depth and chroma
subsampling. Without a declared matrix, BT.709 is assumed from 720 lines on and BT.601 below. Wide gamuts (BT.2020,
Display P3) are converted in linear light. High dynamic range (PQ, HLG; BT.2100) is rendered for a screen of 1,000 cd/m2
and tone-mapped to a standard white of 203 cd/m2 with the curve of BT.2390-10, section 5.4. Transparent pixels become
mid grey.
"""

from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation

from stages import InputError
from stages.media import yuv

UNSPECIFIED = 2    # matrix coefficients in H.273
HD = 720           # lines
PEAK = 1000.0      # cd/m2, peak luminance of the screen that PQ and HLG are rendered for
WHITE = 203.0      # cd/m2, diffuse white (BT.2408)
GAMMA = 2.4        # standard display (BT.1886)
GREY = 128         # background of transparent pixels
EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT  # for 8-bit output; else 4:2:0 is 1 to 2 too dark
_TO_BT709 = {      # conversion matrices of linear RGB; all have the same white point
    ColorPrimaries.BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    ColorPrimaries.SMPTE432: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0196, -0.0786, 1.0979]],
}
_LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # weights of R, G, B in BT.2020
_RAMP = np.linspace(0, 1, 2**16)


def rgb(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
    """The frame at its stored size or, with `size` (width, height), subsampled without filtering."""
    if frame.colorspace == UNSPECIFIED:
        frame.colorspace = Colorspace.ITU709 if frame.height >= HD else Colorspace.ITU601
    if frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67) or frame.color_primaries in _TO_BT709:
        return _tone_mapped(_array(frame, "rgb48le", size), frame.color_trc, frame.color_primaries)
    if any(component.is_alpha for component in frame.format.components):
        return over_grey(_array(frame, "rgba", size))
    if size is None and yuv.supports(frame):
        return yuv.to_rgb(frame)
    return _array(frame, "rgb24", size)


def over_grey(rgba: np.ndarray) -> np.ndarray:
    """RGBA (H, W, 4) composited over mid grey: RGB (H, W, 3) uint8."""
    alpha = cv2.merge([rgba[..., 3]] * 3).astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + GREY * (1 - alpha)).astype(np.uint8)


def _array(frame: av.VideoFrame, pixel_format: str, size: tuple[int, int] | None) -> np.ndarray:
    exact = Interpolation.ACCURATE_RND if pixel_format == "rgb48le" else EXACT
    width, height = size or (frame.width, frame.height)
    method = Interpolation.POINT if size else Interpolation.BILINEAR
    try:
        return frame.to_ndarray(width=width, height=height, format=pixel_format, interpolation=method | exact)
    except av.FFmpegError as error:
        raise InputError(f"the pixel format of a frame ({frame.format.name}, matrix {int(frame.colorspace)}) cannot be "
                         f"converted ({error.strerror}); export the video again, as H.264 in MP4") from None


def _tone_mapped(codes: np.ndarray, curve: int, primaries: int) -> np.ndarray:
    """Wide gamut or high dynamic range (H, W, 3) uint16 -> RGB (H, W, 3) uint8 for a standard display."""
    light = cv2.LUT(codes, _to_light(curve))
    if curve == ColorTrc.ARIB_STD_B67:  # scene light: apply the system gamma of the screen to its luminance
        light *= cv2.pow(cv2.transform(light, _LUMINANCE), 0.2)[..., None]
    if curve in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67):
        brightest = cv2.max(cv2.max(light[..., 0], light[..., 1]), light[..., 2])
        light *= cv2.LUT(_quantised(brightest), _gain())[..., None]
    light = cv2.transform(light, np.array(_TO_BT709.get(primaries, np.eye(3)), np.float32))
    return cv2.LUT(_quantised(light), _to_code())


def _quantised(light: np.ndarray) -> np.ndarray:
    """Light in [0, 1], clipped, as uint16 codes of its square root, which are finer in dark regions."""
    return cv2.multiply(cv2.sqrt(cv2.max(light, 0)), 2**16 - 1, dtype=cv2.CV_16U)


@cache
def _to_light(curve: int) -> np.ndarray:
    """Lookup table from 16-bit codes to linear light: relative to PEAK for PQ, scene light for HLG, else relative to
    white."""
    if curve == ColorTrc.SMPTE2084:
        light = np.minimum(pq_to_nits(_RAMP) / PEAK, 1)
    elif curve == ColorTrc.ARIB_STD_B67:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(_RAMP <= 0.5, _RAMP**2 / 3, (np.exp((_RAMP - c) / a) + b) / 12)
    else:
        light = _RAMP**GAMMA
    return light.astype(np.float32)


@cache
def _gain() -> np.ndarray:
    """Lookup table of the tone-mapping gain by quantised light: the EETF of BT.2390, relative to WHITE."""
    light = np.maximum(_RAMP, 1 / 2**16) ** 2
    top, white = nits_to_pq(PEAK), nits_to_pq(WHITE) / nits_to_pq(PEAK)
    level, knee = nits_to_pq(light * PEAK) / top, 1.5 * white - 0.5
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    return (pq_to_nits(np.where(level < knee, level, curve) * top) / WHITE / light).astype(np.float32)


@cache
def _to_code() -> np.ndarray:
    """Lookup table from quantised light to 8-bit codes of a standard display."""
    return np.rint(255 * _RAMP ** (2 / GAMMA)).astype(np.uint8)


def pq_to_nits(code: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: code in [0, 1] -> cd/m2."""
    power = np.asarray(code) ** (32 / 2523)
    return 10000 * (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)


def nits_to_pq(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: cd/m2 -> code in [0, 1]."""
    power = (np.asarray(nits) / 10000) ** (1305 / 8192)
    return ((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
