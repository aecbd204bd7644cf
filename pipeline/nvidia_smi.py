"""Runs nvidia-smi, NVIDIA's command-line tool."""

import subprocess


def query(field: str) -> list[str]:
    """A property of every GPU, such as `index` or `name`. Empty without a GPU or without the tool."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
    except OSError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
