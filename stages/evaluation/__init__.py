"""Scores of frames against the truth (paper section 3.2), and the networks that some of them need."""
