"""Parses the text output of the dvc program, for information that DVC does not provide in another form.

tests/pipeline/dvc_backend/test_messages.py triggers every message, and fails if another version of DVC words it
differently."""

import re

# DVC's own messages. All other lines of its output come from the stage.
_DVC_MESSAGE = re.compile(
    r"Running stage|> python |(Updating|Generating) lock file|To track the changes|\tgit add|To enable auto staging"
    r"|\tdvc config|Use `dvc push`|Stage '.*(skipping|checking out outputs)|Data and pipelines are up to date"
    r"|ERROR: failed to reproduce|WARNING: (No file hash info|Process '.*RWLock-file)|Reproducing experiment"
    r"|Ran experiment|Experiment results have been applied|\d+ files? (pushed|fetched)"
    r"|Everything is up to date|.*Having any troubles\?|\S+: to be computed elsewhere|[AM] +artifacts/|  \(PID \d+\): "
    r"|If there are no processes with such PIDs|\s*$"
)
_FAILED = re.compile(r"ERROR: failed to reproduce '(?P<address>.+?)': (?P<reason>(?:.|\n)*)")
_CACHE_UNCHANGED = re.compile("didn't change, skipping|files? pushed|Everything is up to date")
_FULL = re.compile("No space left on device|database or disk is full|No possible cache link types")
_DENIED = re.compile(  # messages of S3, Azure, GCS, SSH and the file system
    r"\((401|403)\)|Forbidden|Unauthorized|Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
    r"|Unable to locate credentials|[Pp]ermission denied|Authentication failed|NoSuchBucket|[Bb]ucket '.*' does not exist")
_TRANSFER_ERROR = "ERROR: failed to transfer"
_BUSY = re.compile(r"'(?P<path>[^']+)' is busy, it is being blocked by:\n(?P<others>(?:  \(PID \d+\): .*\n)+)")
_LOCK_TIMED_OUT = "Unable to acquire lock"
_RWLOCK = re.compile("Unable to read RWLock-file|RWLock-file .* format error")
_DVC_LOCK = re.compile(r"'\./dvc\.lock' (?:validation failed|is invalid)|unable to read: 'dvc\.lock'")
_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@")  # in the URL of a remote


def is_dvc_message(line: str) -> bool:
    """Whether a line is a message of DVC itself, which is not shown, and not of the stage."""
    return bool(_DVC_MESSAGE.match(line))


def failed_stage(output: str) -> tuple[str, str, str] | None:
    """The stage that failed according to DVC, the reason, and the output before that message."""
    if not (found := _FAILED.search(output)):
        return None
    return found["address"], found["reason"].strip().removeprefix("failed to run: "), output[: found.start()]


def cache_unchanged(output: str) -> bool:
    """Whether nothing was added to the cache."""
    return bool(_CACHE_UNCHANGED.search(output))


def disk_full(output: str) -> bool:
    """Whether a disk is full or read-only."""
    return bool(_FULL.search(output))


def remote_denied(output: str) -> bool:
    """Whether a remote denies access or does not exist, so that a retry would fail again."""
    return bool(_DENIED.search(output))


def transfer_error(output: str) -> str | None:
    """The line that says that a file could not be transferred. DVC ends with exit code 0 then."""
    return next((line.strip() for line in output.splitlines() if line.startswith(_TRANSFER_ERROR)), None)


def busy_file(output: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The file that other DVC processes read or write, and these processes: id and command."""
    found = _BUSY.search(output)
    return (found["path"], re.findall(r"\(PID (\d+)\): (.*)", found["others"])) if found else None


def lock_timed_out(output: str) -> bool:
    """Whether other processes held DVC's locks for longer than it waits (three seconds)."""
    return _LOCK_TIMED_OUT in output


def rwlock_unreadable(output: str) -> bool:
    """Whether DVC cannot read its record of which process reads and writes what."""
    return bool(_RWLOCK.search(output))


def dvc_lock_unreadable(output: str) -> bool:
    """Whether DVC cannot read dvc.lock."""
    return bool(_DVC_LOCK.search(output))


def mask_passwords(text: str) -> str:
    """Replaces user and password in the URL of a remote."""
    return _PASSWORD.sub("***@", text)
