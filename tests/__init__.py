"""A package, because some installed packages bring a `tests` of their own that would hide a plain folder."""
