"""Signing: the result gets its Content Credentials (C2PA), which say that it is AI-generated, and from what.

In: `unsigned`, the video of fusion; what was learned of the target; the clocks, which have the hashes of the user's
files. Out: `video`, the same pictures and sound, signed with the user's certificate or one made on this machine. As
every signature is another one, this is the only stage whose bytes are never the same twice.
"""

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from stages.media import files
from stages.media.clock import read_clock
from stages.media.container import open_media
from stages.provenance import certificates, credentials
from stages.provenance.statement import CodeVersion, SourceFile, SourceVideo, Statement, WeightDigests
from stages.provenance.watermark import TAG

if TYPE_CHECKING:
    from stages.params import Signing, Transfer


def run(*, unsigned: Path, generator: Path, local_gans: Path, target_clock: Path, source_clock: Path, video: Path,
        params: "Signing", entry: "Transfer") -> None:
    certificate, key, algorithm = certificates.signing_certificate()
    with open_media(files.existing(unsigned, "a video; run fusion")) as container:
        number = container.metadata[TAG]
    weights = {"generator": generator, "local_gans": local_gans}
    statement = Statement(
        target=SourceVideo(name=entry.target, files=originals(target_clock)),
        source=SourceVideo(name=entry.source, files=originals(source_clock)),
        model=WeightDigests(**{name: files.sha256(folder / "model.safetensors") for name, folder in weights.items()}),
        consent=json.loads((generator / "about.json").read_text(encoding="utf-8"))["consent"], code=code(),
        label=entry.label, label_reason=None if entry.label else " ".join(entry.label_reason.split()),
        watermark=number, made=datetime.now(timezone.utc).replace(microsecond=0),
    )
    title = f"{entry.target} from {entry.source} (AI-generated)"
    credentials.sign(unsigned, video, title, statement, certificate, key, algorithm)
    whose = ("a certificate made on this machine, which vouches for nobody's identity" if certificate.local
             else f"the certificate of {certificate.owner}")
    print(f"signing: {video}, with {whose}: {certificate.path}")


def originals(clock: Path) -> list[SourceFile]:
    """The user's files that a video was made of; where they lie stays here."""
    return [SourceFile(name=Path(file).name, sha256=digest)
            for file, digest in read_clock(clock).about["sha256"].items()]


def code(folder: Path = Path(__file__).parent) -> CodeVersion:
    """The code that signs: what is in `folder`, and the commit that its repository is at, as far as it has one."""
    parts = (f"{files.sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in sorted(folder.rglob("*.py")))
    return CodeVersion(commit=commit(folder.parent / ".git"), sha256=hashlib.sha256("".join(parts).encode()).hexdigest())


def commit(git: Path) -> str | None:
    """What HEAD of a git folder stands for, read without git's program, which no stage runs."""
    if git.is_file():  # of a further working tree: where its own folder is
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
