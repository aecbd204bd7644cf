"""A package, because some installed packages contain a package `tests`, which would hide a plain folder of that name."""
