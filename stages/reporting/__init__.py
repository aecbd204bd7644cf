"""The report of a transfer, one part a module, and pictures of single artifacts for `inspect` and the studio."""
