"""The interface to DVC: runs the dvc program, and reads its messages, lock file, caches and remotes."""
