"""Computes Tables 1 and 2 of the paper: the paper's values next to ours and to those of other systems."""
