"""Image quality metrics (paper section 3.1): PSNR, PSNR after alignment, SSIM and sharpness of RGB pictures (height,
width, 3) uint8; and the box in which a person is compared. SSIM is that of Wang et al. 2004: a Gaussian window of 11
pixels with sigma 1.5, only windows that lie inside the picture, mean over channels."""

import cv2
import numpy as np

from stages.pose.skeleton import Pose

WINDOW = 11           # pixels, of SSIM
REACH = WINDOW - 1    # pixels by which the map of all windows is smaller than the picture
SIGMA = 1.5           # pixels, of the window
SMALLEST = 16         # pixels, smallest side of the person's box
MAX_PSNR = 100.0      # dB, value for equal pictures, so that means are finite
BLOCK = 16            # pixels, side of the blocks of aligned PSNR
MARGIN = 0.1          # of the person's box around the joints, share of the pose's height
MIDDLE = 127.5        # subtracted from intensities before squaring, so that single precision suffices
DARK, FLAT = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2 of SSIM


def psnr(picture: np.ndarray, reference: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in dB. If `mask` (height, width) bool is given, only of its
    pixels; NaN if it is empty."""
    if mask is not None and not mask.all():
        if not mask.any():
            return float("nan")
        picture, reference = picture[mask], reference[mask]  # (n, 3)
    error = np.mean((picture.astype(np.float32) - reference) ** 2, dtype=np.float64)
    return float(min(MAX_PSNR, 10 * np.log10(255**2 / error))) if error > 0 else MAX_PSNR


def aligned_psnr(picture: np.ndarray, reference: np.ndarray, mask: np.ndarray | None = None, reach: int = 2) -> float:
    """PSNR in dB after block matching. Each block of the reference, BLOCK x BLOCK pixels and up to twice that at the
    right and lower edge, is compared with the picture at the shift with the least squared error, at most `reach` pixels
    along either axis.

    Pixels that a shift moves out of the picture are ignored, and those outside `mask` (height, width) bool;
    NaN if the mask is empty. Shifts are whole pixels, because interpolation would blur. Blocks of 256 pixels are large
    enough that pure noise gains less than half a dB."""
    height, width = reference.shape[:2]
    counts = np.ones((height, width), np.float32) if mask is None else mask.astype(np.float32)
    blocks = _blocks(counts)  # pixels that count, (rows, columns)
    if not blocks.any():
        return float("nan")
    padded, inside = (cv2.copyMakeBorder(one, *[reach] * 4, cv2.BORDER_CONSTANT)
                      for one in (picture, np.ones((height, width), np.float32)))
    least = np.full(blocks.shape, np.inf)  # mean squared error
    for top, left in np.ndindex(2 * reach + 1, 2 * reach + 1):
        shifted = np.s_[top : top + height, left : left + width]
        counted = counts * inside[shifted]
        error, count = _blocks(_squared(padded[shifted], reference) * counted / 3), _blocks(counted)
        np.minimum(least, np.divide(error, count, out=np.full_like(error, np.inf), where=count > 0), out=least)
    error = np.average(least[blocks > 0], weights=blocks[blocks > 0])
    return float(min(MAX_PSNR, 10 * np.log10(255**2 / error))) if error > 0 else MAX_PSNR


def _blocks(values: np.ndarray) -> np.ndarray:
    """Sums over blocks. Remaining pixels at the right and the lower edge are added to the last blocks."""
    rows, columns = (np.arange(max(1, side // BLOCK)) * BLOCK for side in values.shape)
    return np.add.reduceat(np.add.reduceat(values, rows, 0, dtype=np.float64), columns, 1)


def sharpness(picture: np.ndarray, reference: np.ndarray, inside: np.ndarray) -> float:
    """Gradient energy of a picture divided by that of the reference: 1 is equal, less means blur, more means noise.

    Gradient energy is the sum, over channels, of the squared differences of neighbouring pixels in rows and columns
    that are both in the mask `inside` (height, width) bool, the inner part of the person (energy of gradient, Subbarao
    et al. 1993). NaN if that of the reference is 0."""
    given = _gradient_energy(reference, inside)
    return _gradient_energy(picture, inside) / given if given > 0 else float("nan")


def _gradient_energy(picture: np.ndarray, inside: np.ndarray) -> float:
    total = 0.0
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        steps = _squared(picture[first], picture[second])
        total += float(steps[inside[first] & inside[second]].sum(dtype=np.float64))
    return total


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared difference summed over channels, (height, width) float32, exact."""
    difference = cv2.absdiff(a, b)
    return cv2.transform(cv2.multiply(difference, difference, dtype=cv2.CV_32F), np.ones((1, 3), np.float32))


def ssim(picture: np.ndarray, reference: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Structural similarity, at most 1. If `mask` (height, width) bool is given, mean over the windows that
    lie completely inside it; NaN if there are none."""
    return mean(ssim_map(picture, reference), None if mask is None else whole_windows(mask))


def ssim_map(picture: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """SSIM of every window that lies inside the picture, mean over channels: (height - 10, width - 10) float32."""
    edge, channels = REACH // 2, list(zip(cv2.split(picture), cv2.split(reference)))
    return sum(_similarity(*pair) for pair in channels)[edge:-edge, edge:-edge] / len(channels)


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of one channel, (height, width); the picture is mirrored at its edges. Computed for each channel separately
    and in place, which is three times as fast because the data fit into the processor's cache."""
    a, b = (np.subtract(channel, MIDDLE, dtype=np.float32) for channel in (a, b))
    mean_a, mean_b, covariance = _blurred(a), _blurred(b), _blurred(a * b)
    a *= a
    b *= b
    a += b
    variances = _blurred(a)
    covariance -= np.multiply(mean_a, mean_b, out=a)
    covariance *= 2
    covariance += FLAT
    np.multiply(mean_a, mean_a, out=a)
    a += np.multiply(mean_b, mean_b, out=b)
    variances -= a
    variances += FLAT
    mean_a += MIDDLE
    mean_b += MIDDLE
    similarity = np.multiply(mean_a, mean_b, out=a)
    similarity *= 2
    similarity += DARK
    mean_a *= mean_a
    mean_b *= mean_b
    mean_a += mean_b
    mean_a += DARK
    similarity *= covariance
    mean_a *= variances
    similarity /= mean_a
    return similarity


def _blurred(channel: np.ndarray) -> np.ndarray:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)
    return cv2.sepFilter2D(channel, -1, kernel, kernel)


def whole_windows(mask: np.ndarray) -> np.ndarray:
    """Which windows lie completely inside `mask` (height, width) bool: (height - 10, width - 10) bool."""
    edge = REACH // 2
    return cv2.erode(mask.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8))[edge:-edge, edge:-edge] > 0


def mean(windows: np.ndarray, whole: np.ndarray | None = None) -> float:
    """Mean of a map's values, of those marked by `whole` if it is given; NaN if there are none."""
    if whole is not None and not whole.all():
        windows = windows[whole]
    return float(windows.mean(dtype=np.float64)) if windows.size else float("nan")


def person_box(pose: Pose, size: int) -> tuple[int, int, int, int] | None:
    """Bounding box of the known points of one pose with a margin, clipped to a size x size frame: left, top, right,
    bottom in pixels. None if no point lies in the frame."""
    points = pose.points()  # (69, 3)
    points = points[points[:, 2] > 0, :2]
    if not len(points):
        return None
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low)[1]
    low, high = np.floor(low - margin), np.ceil(high + margin)
    if (high <= 0).any() or (low >= size).any():
        return None
    short = np.maximum(0, SMALLEST - (np.minimum(high, size) - np.maximum(low, 0)))
    low = np.clip(low - short, 0, size - SMALLEST).astype(int)
    high = np.clip(high + short, low + SMALLEST, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
