"""Converts planar YUV 4:2:0, the pixel format of most videos, to RGB, and back. Compiled with numba.

swscale's fast conversion is 1 to 2 levels too dark, and its exact one takes four times as long as this (docs/figures.md).
"""

import av
import cv2
import numba
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

BITS = {"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10}
LUMA = {  # weights of red and blue
    Colorspace.ITU601: (0.299, 0.114), Colorspace.SMPTE170M: (0.299, 0.114), Colorspace.ITU709: (0.2126, 0.0722),
}
FRACTION = 19  # bits after the binary point
RED, BLUE = LUMA[Colorspace.ITU601]  # of `from_rgb`
TO_LUMA = tuple(np.int32(round(weight * 219 / 255 * 2**16)) for weight in (RED, 1 - RED - BLUE, BLUE))
# Linear interpolation of chroma and the mean over 2 x 2 pixels together blur it by 1/8, 3/4, 1/8. This undoes the blur
SHARPEN = np.float32(np.sqrt(2) * (np.sqrt(8) - 3.0) ** np.abs(np.arange(-5, 6)))


def supports(frame: av.VideoFrame) -> bool:
    """Whether the frame's pixel format and matrix are known here."""
    return frame.format.name in BITS and frame.colorspace in LUMA


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """RGB (H, W, 3) uint8 of a frame that is supported, within one level of the exact value. Chroma is interpolated
    linearly between the centres of 2 x 2 pixels, as by swscale."""
    bits, luma = BITS[frame.format.name], LUMA[frame.colorspace]
    full = frame.color_range == ColorRange.JPEG or frame.format.name == "yuvj420p"
    kind = np.dtype("u1" if bits == 8 else "<u2")
    planes = [np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]
    red_green_blue = np.empty((3, frame.height, frame.width), np.uint8)
    _convert(*planes, *coefficients(*luma, full, bits), *red_green_blue)
    return cv2.merge(list(red_green_blue))


def from_rgb(picture: np.ndarray) -> av.VideoFrame:
    """A yuv420p frame (BT.601, limited range) of RGB (H, W, 3) uint8, H and W even.

    The chroma of 2 x 2 pixels is not their mean, but the value from which linear interpolation, as in `to_rgb`, restores
    this mean. With plain means a picture that is decoded and encoded again would lose colour at its edges."""
    height, width = picture.shape[:2]
    planes = np.empty(height * width * 3 // 2, np.uint8)
    luma, chroma = planes[: height * width].reshape(height, width), planes[height * width :].reshape(2, height // 2, -1)
    means = np.empty(chroma.shape, np.float32)
    _luma_and_chroma(picture, luma, means)
    for plane, mean in zip(chroma, means):
        cv2.sepFilter2D(mean, cv2.CV_8U, SHARPEN, SHARPEN, dst=plane, delta=128, borderType=cv2.BORDER_REFLECT)
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, width), format="yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
    return frame


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _luma_and_chroma(picture, luma, chroma):
    """Codes of Y (H, W), and the means of U and V over 2 x 2 pixels, 0 for grey, (2, H / 2, W / 2)."""
    half = np.int32(1 << 15)
    kr, kg, kb = TO_LUMA
    to_u, to_v = np.float32(224 / 255 / (2 * (1 - BLUE)) / 4), np.float32(224 / 255 / (2 * (1 - RED)) / 4)  # of sums of 4
    scale = np.float32(255 / 219 / (1 << 16))
    for row in range(0, luma.shape[0], 2):
        for column in range(0, luma.shape[1], 2):
            reds, blues, lumas = np.int32(0), np.int32(0), np.int32(0)
            for y in range(row, row + 2):
                for x in range(column, column + 2):
                    r, g, b = np.int32(picture[y, x, 0]), np.int32(picture[y, x, 1]), np.int32(picture[y, x, 2])
                    code = kr * r + kg * g + kb * b
                    luma[y, x] = ((code + half) >> np.int32(16)) + np.int32(16)
                    reds, blues, lumas = reds + r, blues + b, lumas + code
            chroma[0, row >> 1, column >> 1] = (np.float32(blues) - np.float32(lumas) * scale) * to_u
            chroma[1, row >> 1, column >> 1] = (np.float32(reds) - np.float32(lumas) * scale) * to_v


def coefficients(red: float, blue: float, full: bool, bits: int) -> tuple[np.int32, ...]:
    """Of `_convert`: the codes of black and of grey, then fixed-point factors of Y, of V in red, of U and V in green, and
    of U in blue. red, blue: their weights in luma."""
    top = 2.0**bits - 1 if full else 219 * 2.0 ** (bits - 8)
    swing = 2.0**bits - 1 if full else 224 * 2.0 ** (bits - 8)
    y, chroma = 255 / top, 255 / swing
    factors = (y, 2 * (1 - red) * chroma, -2 * blue * (1 - blue) / (1 - red - blue) * chroma,
               -2 * red * (1 - red) / (1 - red - blue) * chroma, 2 * (1 - blue) * chroma)
    units = (2.0**FRACTION, *[2.0 ** (FRACTION - 4)] * 4)  # chroma is a sum of 16 samples
    black = 0 if full else 16 << (bits - 8)
    codes = black, 128 << (bits - 8), *(round(factor * unit) for factor, unit in zip(factors, units))
    return tuple(map(np.int32, codes))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _convert(luma, u, v, black, grey, ky, kvr, kug, kvg, kub, red, green, blue):
    height, width = luma.shape
    columns = u.shape[1]
    narrow_u, narrow_v = np.empty(columns + 2, np.int32), np.empty(columns + 2, np.int32)
    wide_u, wide_v = np.empty(2 * columns, np.int32), np.empty(2 * columns, np.int32)
    three, four, last = np.int32(3), np.int32(4), np.int32(255)
    fraction, half = np.int32(FRACTION), np.int32(1 << (FRACTION - 1))
    for row in range(height):
        near = row >> 1
        far = min(max(near + 2 * (row & 1) - 1, 0), len(u) - 1)
        near_u, far_u, near_v, far_v = u[near], u[far], v[near], v[far]
        for i in range(columns):  # sums of int32 only: numba would turn a literal into int64, which is slower
            narrow_u[i + 1] = three * np.int32(near_u[i]) + np.int32(far_u[i]) - four * grey
            narrow_v[i + 1] = three * np.int32(near_v[i]) + np.int32(far_v[i]) - four * grey
        narrow_u[0], narrow_u[columns + 1] = narrow_u[1], narrow_u[columns]
        narrow_v[0], narrow_v[columns + 1] = narrow_v[1], narrow_v[columns]
        for i in range(columns):
            wide_u[2 * i] = three * narrow_u[i + 1] + narrow_u[i]
            wide_v[2 * i] = three * narrow_v[i + 1] + narrow_v[i]
            wide_u[2 * i + 1] = three * narrow_u[i + 1] + narrow_u[i + 2]
            wide_v[2 * i + 1] = three * narrow_v[i + 1] + narrow_v[i + 2]
        line, reds, greens, blues = luma[row], red[row], green[row], blue[row]
        for x in range(width):
            y = (np.int32(line[x]) - black) * ky + half
            r = (y + kvr * wide_v[x]) >> fraction
            g = (y + kug * wide_u[x] + kvg * wide_v[x]) >> fraction
            b = (y + kub * wide_u[x]) >> fraction
            reds[x] = min(max(r, np.int32(0)), last)
            greens[x] = min(max(g, np.int32(0)), last)
            blues[x] = min(max(b, np.int32(0)), last)
