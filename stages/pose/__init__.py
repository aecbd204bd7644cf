"""Functions on poses: the skeleton, boxes of body parts, smoothing over time, and normalisation. They map arrays to
arrays and read no files."""
