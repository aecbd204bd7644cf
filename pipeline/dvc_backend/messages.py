"""What we have to read of the text that the dvc program prints, because it says it nowhere else: all of it is here.
tests/pipeline/dvc_backend/test_messages.py provokes each message, and fails where another DVC words it differently."""

import re

# What DVC says about its own bookkeeping; the other lines of its output are the stage's.
_CHATTER = re.compile(
    r"Running stage|> python |(Updating|Generating) lock file|To track the changes|\tgit add|To enable auto staging"
    r"|\tdvc config|Use `dvc push`|Stage '.*(skipping|checking out outputs)|Data and pipelines are up to date"
    r"|ERROR: failed to reproduce|WARNING: (No file hash info|Process '.*RWLock-file)|Reproducing experiment"
    r"|Ran experiment|Experiment results have been applied|\d+ files? (pushed|fetched)"
    r"|Everything is up to date|.*Having any troubles\?|\S+: to be computed elsewhere|[AM] +artifacts/|  \(PID \d+\): |If there are no processes with such PIDs|\s*$"
)
_FAILED = re.compile(r"ERROR: failed to reproduce '(?P<address>.+?)': (?P<reason>(?:.|\n)*)")
_UNTOUCHED = re.compile("didn't change, skipping|files? pushed|Everything is up to date")
_FULL = re.compile("No space left on device|database or disk is full|No possible cache link types")
_REFUSED = re.compile(  # by the services behind S3, Azure, GCS and SSH, and by the file system
    r"\((401|403)\)|Forbidden|Unauthorized|Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
    r"|Unable to locate credentials|[Pp]ermission denied|Authentication failed|NoSuchBucket|[Bb]ucket '.*' does not exist")
_NOT_SENT = "ERROR: failed to transfer"
_BUSY = re.compile(r"'(?P<path>[^']+)' is busy, it is being blocked by:\n(?P<others>(?:  \(PID \d+\): .*\n)+)")
_GUARDED = "Unable to acquire lock"
_NOTES = re.compile("Unable to read RWLock-file|RWLock-file .* format error")
_LOCK = re.compile(r"'\./dvc\.lock' (?:validation failed|is invalid)|unable to read: 'dvc\.lock'")
_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@")  # in the address of a remote


def is_dvc_message(line: str) -> bool:
    """Whether a line is about DVC's bookkeeping, and nothing to show."""
    return bool(_CHATTER.match(line))


def failed_stage(output: str) -> tuple[str, str, str] | None:
    """Which stage DVC says has failed, why, and what was printed before that."""
    found = _FAILED.search(output)
    return (found["address"], found["reason"].strip().removeprefix("failed to run: "), output[: found.start()]) if found else None


def cache_unchanged(output: str) -> bool:
    """Whether nothing was put into the cache."""
    return bool(_UNTOUCHED.search(output))


def disk_full(output: str) -> bool:
    """Whether a disk is full, or may not be written to."""
    return bool(_FULL.search(output))


def remote_denied(output: str) -> bool:
    """Whether a remote does not let us in, or is not there: trying again is no use."""
    return bool(_REFUSED.search(output))


def transfer_error(output: str) -> str | None:
    """The line that says that a remote did not take a file; DVC ends then as if all were well."""
    return next((line.strip() for line in output.splitlines() if line.startswith(_NOT_SENT)), None)


def busy_file(output: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The file that other DVCs read or write, and their processes: number and command."""
    found = _BUSY.search(output)
    return (found["path"], re.findall(r"\(PID (\d+)\): (.*)", found["others"])) if found else None


def lock_timed_out(output: str) -> bool:
    """Whether DVC's locks were held by others for longer than it waits (three seconds): many are at work."""
    return _GUARDED in output


def rwlock_unreadable(output: str) -> bool:
    """Whether DVC cannot read its note of who reads and writes what."""
    return bool(_NOTES.search(output))


def dvc_lock_unreadable(output: str) -> bool:
    """Whether DVC cannot read dvc.lock."""
    return bool(_LOCK.search(output))


def mask_passwords(text: str) -> str:
    return _PASSWORD.sub("***@", text)
