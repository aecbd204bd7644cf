"""The dvc program: running it, reading its messages, its lock file, caches and remotes."""
