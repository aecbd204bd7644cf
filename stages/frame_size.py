"""S: the side of the square frames, in pixels."""

SIZE_STEP = 32    # pixels: S is a multiple of this, so that networks can downsample the frames;
CHOSEN_STEP = 64  # of this, if it was chosen between size and max_size


def choose_frame_size(side: int, least: int, most: int) -> int:
    """S for a square of `side` pixels in the video: this number, rounded up to a multiple of CHOSEN_STEP,
    within least .. most (multiples of SIZE_STEP). With more than `least` and at most `most` pixels the square need not be
    resampled."""
    return min(max(-(-side // CHOSEN_STEP) * CHOSEN_STEP, least), most)
