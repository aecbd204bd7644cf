"""Known colours, written with all matrices, ranges, bit depths, chroma subsamplings and curves, are read correctly.

The oracles are the standards' own formulas (BT.601, 709, 2020, 2100, ST 2084), from light to code.
"""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from stages.media import colour, footage, video_file, yuv

COLOURS = np.array([(200, 40, 30), (20, 180, 60), (30, 60, 210), (128, 128, 128), (250, 250, 250), (5, 5, 5)], float)
LUMA = {Colorspace.ITU709: (0.2126, 0.0722), Colorspace.ITU601: (0.299, 0.114), Colorspace.BT2020: (0.2627, 0.0593)}
XY = {  # chromaticities of red, green, blue
    ColorPrimaries.BT709: [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)],
    ColorPrimaries.BT2020: [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
    ColorPrimaries.SMPTE432: [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)],
}
PQ, HLG = ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67
VP9 = {"crf": "4", "b": "0", "deadline": "realtime", "cpu-used": "8"}
SIDE = 32


def to_xyz(primaries):
    full = np.array([(x / y, 1, (1 - x - y) / y) for x, y in XY[primaries]]).T
    return full * np.linalg.solve(full, [0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])


def to_yuv(rgb, matrix, full, bits):
    """RGB in [0, 1] -> codes."""
    red, blue = LUMA[matrix]
    r, g, b = np.asarray(rgb).T
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / 2 / (1 - blue), (r - y) / 2 / (1 - red)
    if full:
        most = 2**bits - 1
        return np.rint([y * most, u * most + 2 ** (bits - 1), v * most + 2 ** (bits - 1)]).astype(int).T
    return np.rint(2 ** (bits - 8) * np.array([16 + 219 * y, 128 + 224 * u, 128 + 224 * v])).astype(int).T


def patches(kind, codes):
    """One row of patches as a frame; codes (n, planes)."""
    frame = av.VideoFrame(SIDE * len(codes), SIDE, kind)
    depth = np.dtype("<u2") if frame.format.components[0].bits > 8 else np.dtype(np.uint8)
    for i, plane in enumerate(frame.planes):
        row = np.repeat(codes[:, i], plane.width // len(codes))
        padded = np.zeros((plane.height, plane.line_size // depth.itemsize), depth)
        padded[:, : plane.width] = row
        plane.update(padded.tobytes())
    return frame


def write(path, frame, codec="ffv1", count=3, options=None, matrix=2, full=None, primaries=2, curve=2):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = matrix, primaries, curve
        frame.colorspace, frame.color_primaries, frame.color_trc = matrix, primaries, curve
        if full is not None:
            frame.color_range = context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        for i in range(count):
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path, patch_count=len(COLOURS)):
    """The centre of every patch, in the full picture and in its thumbnail."""
    shot = next(footage.open_footage(path, None).frames())
    small = shot.thumbnail(8 * patch_count)
    patch = np.arange(patch_count)
    found = shot.picture()[SIDE // 2, SIDE // 2 + SIDE * patch], small[len(small) // 2, 4 + 8 * patch]
    return [colours.astype(int) for colours in found]


def assert_close(found, wanted, most):
    for picture in found:
        assert np.abs(picture - wanted).max() <= most, np.c_[picture, np.rint(wanted)]


@pytest.mark.parametrize("matrix", LUMA)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", ["yuv420p", "yuv444p10le"])
def test_matrix_and_range(tmp_path, matrix, full, kind):
    bits = 10 if "10" in kind else 8
    frame = patches(kind, to_yuv(COLOURS / 255, matrix, full, bits))
    assert_close(read(write(tmp_path / "a.mkv", frame, matrix=matrix, full=full)), COLOURS, 3)


@pytest.mark.parametrize("kind", ["yuv411p", "yuv410p", "yuv440p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le"])
def test_depths_and_chroma_grids(tmp_path, kind):
    bits = int(kind[7:9]) if kind.endswith("le") else 8
    frame = patches(kind, to_yuv(COLOURS / 255, Colorspace.ITU601, False, bits))
    assert_close(read(write(tmp_path / "a.mkv", frame, matrix=Colorspace.ITU601, full=False)), COLOURS, 3)


@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_rounding_makes_no_picture_darker(tmp_path, kind):
    colours = np.random.default_rng(0).uniform(30, 220, (40, 3))
    frame = patches(kind, to_yuv(colours / 255, Colorspace.ITU601, False, 10 if "10" in kind else 8))
    path = write(tmp_path / "a.mkv", frame, matrix=Colorspace.ITU601, full=False)
    for picture in (read(path, len(colours))[0], next(video_file.frames(path))[SIDE // 2, SIDE // 2 :: SIDE]):
        assert np.abs((picture - colours).mean(0)).max() < 0.4


@pytest.mark.parametrize("height, matrix", [(480, Colorspace.ITU601), (720, Colorspace.ITU709)])
def test_unspecified_matrices(tmp_path, height, matrix):
    frame = patches("yuv420p", to_yuv(COLOURS / 255, matrix, False, 8)).reformat(width=SIDE * 6, height=height)
    shot = next(footage.open_footage(write(tmp_path / "a.mkv", frame), None).frames())
    found = shot.picture()[height // 2, SIDE // 2 + SIDE * np.arange(6)].astype(int)
    assert np.abs(found - COLOURS).max() <= 3


@pytest.mark.parametrize("codec, name, kind, full", [
    ("ffv1", "a.mkv", "gray", False), ("ffv1", "a.mkv", "gray10le", False), ("libx264", "a.mp4", "gray", False),
    ("mjpeg", "a.mov", "yuvj420p", True)])
def test_monochrome(tmp_path, codec, name, kind, full):
    bits, levels = 10 if "10" in kind else 8, np.array([5.0, 60, 128, 250])
    codes = to_yuv(levels[:, None].repeat(3, 1) / 255, Colorspace.ITU601, full or kind.startswith("gray"), bits)
    found = read(write(tmp_path / name, patches(kind, codes), codec, full=True), 4)
    assert_close(found, levels[:, None].repeat(3, 1), 3)


@pytest.mark.parametrize("codec, name, kind, options", [
    ("libx264", "a.mp4", "yuv420p", {"crf": "5"}),
    ("libx264", "a.mkv", "yuv444p10le", {"crf": "5"}),
    ("libx265", "a.mp4", "yuv420p", {"crf": "5", "x265-params": "log-level=none"}),
    ("libx265", "a.mp4", "yuv420p10le", {"crf": "5", "x265-params": "log-level=none"}),
    ("libvpx-vp9", "a.webm", "yuv420p", VP9),
    ("libvpx-vp9", "a.webm", "yuv440p", {**VP9, "profile": "1"}),
    ("libsvtav1", "a.mp4", "yuv420p10le", {"crf": "10", "preset": "10"}),
    ("mpeg4", "a.avi", "yuv420p", {"b": "4000000"}),
    ("prores_ks", "a.mov", "yuv422p10le", {}),
])
def test_codecs_keep_the_colours(tmp_path, codec, name, kind, options):
    bits = 10 if "10" in kind else 8
    frame = patches(kind, to_yuv(COLOURS / 255, Colorspace.ITU601, False, bits))
    path = write(tmp_path / name, frame, codec, options=options, matrix=Colorspace.ITU601, full=False)
    assert_close(read(path), COLOURS, 8)


@pytest.mark.parametrize("codec, name, kind", [("ffv1", "a.mkv", "bgra"), ("qtrle", "a.mov", "argb"),
                                               ("png", "a.mov", "rgba"), ("ffv1", "a.mkv", "yuva420p")])
def test_transparent_pixels_become_grey(tmp_path, codec, name, kind):
    alpha = np.array([1.0, 0.5, 0.0])
    colours = COLOURS[:3]
    if kind.startswith("yuva"):
        codes = np.c_[to_yuv(colours / 255, Colorspace.ITU601, False, 8), np.rint(alpha * 255).astype(int)]
        frame = patches(kind, codes)
    else:
        row = np.c_[colours, np.rint(alpha * 255)].astype(np.uint8)
        picture = np.tile(np.repeat(row, SIDE, 0), (SIDE, 1, 1))
        frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=kind)
    wanted = colours * alpha[:, None] + 128 * (1 - alpha[:, None])
    assert_close(read(write(tmp_path / name, frame, codec), 3), wanted, 3)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_images_may_be_transparent_deep_or_grey(tmp_path, depth):
    most = np.iinfo(depth).max
    picture = np.full((32, 32, 4), most, depth)
    picture[..., :3] = (most // 5, most // 2, most)  # blue, green, red
    picture[:, 16:, 3] = 0
    cv2.imwrite(str(tmp_path / "1.png"), picture)
    cv2.imwrite(str(tmp_path / "2.png"), picture[..., 1])
    clear, grey = footage.open_footage(tmp_path, 25).pictures()
    assert np.abs(clear[5, 5].astype(int) - (255, 127, 51)).max() <= 1 and (clear[5, 20] == 128).all()
    assert np.abs(grey.astype(int) - 127).max() <= 1


def pq(nits):
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (np.asarray(nits) / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg(nits):
    """Codes of light (n, 3) on a screen of 1,000 cd/m2 with BT.2020 primaries."""
    luminance = np.maximum(nits @ [0.2627, 0.6780, 0.0593], 1e-6) / 1000
    scene = nits / 1000 / luminance[:, None] ** (0.2 / 1.2)
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene),
                    0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073)


def wide(light, primaries):
    """Linear BT.709 RGB -> other primaries."""
    return light @ (np.linalg.solve(to_xyz(primaries), to_xyz(ColorPrimaries.BT709))).T


@pytest.mark.parametrize("curve, code", [(PQ, pq), (HLG, hlg)])
@pytest.mark.parametrize("codec, name, options", [
    ("ffv1", "a.mkv", {}),
    ("libx265", "a.mp4", {"crf": "4", "x265-params": "log-level=none"}),
    ("libsvtav1", "a.mp4", {"crf": "6", "preset": "10"}),
])
def test_high_dynamic_range_below_its_highlights(tmp_path, curve, code, codec, name, options):
    """The tone curve does not change light up to 80 cd/m2."""
    light = ((0.8 * COLOURS + 25) / 255) ** 2.4 * 80  # not near 0, where 10 bits are too coarse
    codes = to_yuv(np.clip(code(wide(light, ColorPrimaries.BT2020)), 0, 1), Colorspace.BT2020, False, 10)
    path = write(tmp_path / name, patches("yuv420p10le", codes), codec, options=options, matrix=Colorspace.BT2020,
                 full=False, primaries=ColorPrimaries.BT2020, curve=curve)
    assert_close(read(path), 255 * (light / 203) ** (1 / 2.4), 4 if codec == "ffv1" else 12)


@pytest.mark.parametrize("curve, code", [(PQ, pq), (HLG, hlg)])
def test_highlights_are_compressed_not_clipped(tmp_path, curve, code):
    nits = np.array([50.0, 100, 203, 400, 700, 1000])
    codes = to_yuv(code(nits[:, None].repeat(3, 1)), Colorspace.BT2020, False, 10)
    path = write(tmp_path / "a.mkv", patches("yuv420p10le", codes), matrix=Colorspace.BT2020, full=False,
                 primaries=ColorPrimaries.BT2020, curve=curve)
    found = read(path)[0]
    assert np.ptp(found, axis=1).max() <= 2                                # grey stays grey
    assert abs(found[0, 0] - 255 * (50 / 203) ** (1 / 2.4)) <= 2
    assert 220 <= found[2, 0] <= 240                                       # a white shirt is not overexposed
    assert (np.diff(found[:5, 0]) > 0).all() and found[-1, 0] == 255


@pytest.mark.parametrize("primaries", [ColorPrimaries.BT2020, ColorPrimaries.SMPTE432])
def test_wide_gamuts(tmp_path, primaries):
    light = wide((COLOURS / 255) ** 2.4, primaries)
    codes = to_yuv(light.clip(0, 1) ** (1 / 2.4), Colorspace.ITU709, False, 10)
    path = write(tmp_path / "a.mkv", patches("yuv444p10le", codes), matrix=Colorspace.ITU709, full=False,
                 primaries=primaries, curve=ColorTrc.BT709)
    assert_close(read(path), COLOURS, 3)


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "yuv420p10le"])
@pytest.mark.parametrize("width, height", [(64, 48), (62, 10), (2, 2)])
@pytest.mark.parametrize("matrix", [Colorspace.ITU601, Colorspace.ITU709])
def test_420_is_converted_like_swscale_with_exact_rounding(kind, width, height, matrix):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=kind, dst_colorspace=matrix)
    frame.colorspace = matrix
    exact = frame.to_ndarray(format="rgb24", interpolation=Interpolation.BILINEAR | colour.EXACT)
    assert yuv.supports(frame) and np.abs(yuv.to_rgb(frame).astype(int) - exact).max() <= 1


def test_420_of_odd_size():
    plain = np.full((17, 31, 3), (200, 40, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(plain, format="rgb24").reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601)
    frame.colorspace = Colorspace.ITU601
    assert yuv.to_rgb(frame).shape == plain.shape and np.abs(yuv.to_rgb(frame).astype(int) - plain).max() <= 2
