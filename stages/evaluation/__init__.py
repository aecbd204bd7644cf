"""Scores of the frames of a transfer against the truth (paper section 3.2).

Read in this order: `references` (what each frame should show), `scoring` (image similarity and temporal consistency,
with the scorers of `metric_suite`: perceptual distance, FID and IS, redetection and identity), `confidence_intervals`,
`comparison`. `metric_names` holds the names of all scores and their order.
"""
