"""S: the side of the square frames, in pixels."""

SIZE_STEP = 32  # pixels: S is a multiple of this, so that networks can downsample the frames


def choose_frame_size(side: int, least: int, most: int) -> int:
    """S for a square of `side` pixels in the video: this number, rounded up to a multiple of SIZE_STEP, within
    least .. most (multiples of SIZE_STEP). With more than `least` and at most `most` pixels the square need not be
    resampled."""
    return min(max(-(-side // SIZE_STEP) * SIZE_STEP, least), most)
