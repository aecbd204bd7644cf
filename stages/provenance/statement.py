"""The project's own assertion in the Content Credentials: hashes of everything that a result was made from."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from stages import __version__


def plain(text: str) -> str:
    """Untrusted text for the terminal: control characters become '?'."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


Text = Annotated[str, AfterValidator(plain)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]  # SHA-256


class StatementPart(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SourceFile(StatementPart):
    name: Text
    sha256: Digest


class SourceVideo(StatementPart):
    name: Text                     # in params.yaml
    files: tuple[SourceFile, ...]


class WeightDigests(StatementPart):
    """SHA-256 of the trained networks."""

    generator: Digest
    local_gans: Digest


class CodeVersion(StatementPart):
    version: Text = __version__
    commit: Text | None  # of its repository; the files may have uncommitted changes
    sha256: Digest       # of the files


class Statement(StatementPart):
    target: SourceVideo
    source: SourceVideo
    model: WeightDigests
    consent: Text              # hash of the target's consent record
    code: CodeVersion
    label: bool                # whether the visible label is drawn
    label_reason: Text | None  # why there is none
    watermark: Annotated[str, StringConstraints(pattern="^[0-9a-f]{4}$")]  # number in the frames
    made: AwareDatetime        # time on the machine that signed

    @property
    def what(self) -> str:
        """A summary in one sentence."""
        return f"AI-generated: {self.target.name} doing what {self.source.name} did"
