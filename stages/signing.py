"""Signing: adds Content Credentials (C2PA) to the result, which state that it is AI-generated and from which inputs.

In: `unsigned`, the video of fusion; the target's trained networks; the timelines, which contain the hashes of the user's
files. Out: `video`, the same frames and sound, signed with the user's certificate or one created on this machine. Since
signatures contain a time and random numbers, this is the only stage whose output differs from run to run.
"""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from stages.media import files
from stages.media.container import open_media
from stages.media.timeline import read_timeline
from stages.provenance import certificates, credentials
from stages.provenance.statement import CodeVersion, SourceFile, SourceVideo, Statement, WeightDigests
from stages.provenance.watermark import TAG

if TYPE_CHECKING:
    from stages.params import Signing, Transfer


def run(*, unsigned: Path, generator: Path, local_gans: Path, target_timeline: Path, source_timeline: Path, video: Path,
        params: "Signing", entry: "Transfer") -> None:
    certificate, key, algorithm = certificates.signing_certificate()
    with open_media(files.existing(unsigned, "a video; run fusion")) as container:
        watermark = container.metadata[TAG]
    networks = {"generator": generator, "local_gans": local_gans}
    statement = Statement(
        target=SourceVideo(name=entry.target, files=source_files(target_timeline)),
        source=SourceVideo(name=entry.source, files=source_files(source_timeline)),
        model=WeightDigests(**{name: files.sha256(folder / "model.safetensors") for name, folder in networks.items()}),
        consent=json.loads((generator / "about.json").read_text(encoding="utf-8"))["consent"], code=code_version(),
        label=entry.label, label_reason=None if entry.label else " ".join(entry.label_reason.split()),
        watermark=watermark, made=datetime.now(timezone.utc).replace(microsecond=0),
    )
    title = f"{entry.target} from {entry.source} (AI-generated)"
    credentials.sign(unsigned, video, title, statement, certificate, key, algorithm)
    description = ("a certificate created on this machine, which does not prove anybody's identity" if certificate.local
                   else f"the certificate of {certificate.owner}")
    print(f"signing: {video}, with {description}: {certificate.path}")


def source_files(timeline: Path) -> list[SourceFile]:
    """The user's files that a video was read from: names without folders, and hashes."""
    return [SourceFile(name=Path(file).name, sha256=digest)
            for file, digest in read_timeline(timeline).about["sha256"].items()]


def code_version(folder: Path = Path(__file__).parent) -> CodeVersion:
    """The version of the code in `folder`: the hash of its Python files and, in a git repository, the commit."""
    checksum = files.sha256_of_all(sorted(folder.rglob("*.py")), folder)
    return CodeVersion(commit=head_commit(folder.parent / ".git"), sha256=checksum)


def head_commit(git: Path) -> str | None:
    """The commit of HEAD, None if there is none. Reads the .git folder directly: stages do not run the git program."""
    if git.is_file():  # a linked working tree
        git = git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    shared = git / (git / "commondir").read_text(encoding="utf-8").strip() if (git / "commondir").is_file() else git
    if not (git / "HEAD").is_file():
        return None
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    for place in (git, shared):
        if (place / name).is_file():
            return (place / name).read_text(encoding="utf-8").strip()
    packed = (shared / "packed-refs").read_text(encoding="utf-8") if (shared / "packed-refs").is_file() else ""
    return next((line.split()[0] for line in packed.splitlines() if line.endswith(f" {name}")), None)
