"""Everything that knows DVC: running it, reading its messages, its lock file, its caches and its remotes."""
