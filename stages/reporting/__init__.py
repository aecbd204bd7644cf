"""The parts of a transfer's report, one module for each, and pictures of single artifacts for `inspect` and the
studio."""
