"""What a result's credentials say in words of our own: the hashes of all that it was made from."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from stages import __version__


def plain(text: str) -> str:
    """What anybody may have written, as a terminal can show it: without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


Text = Annotated[str, AfterValidator(plain)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]  # SHA-256


class StatementPart(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SourceFile(StatementPart):
    name: Text
    sha256: Digest


class SourceVideo(StatementPart):
    name: Text               # the video's, of params.yaml
    files: tuple[SourceFile, ...]  # the user's


class WeightDigests(StatementPart):
    """The weights."""

    generator: Digest
    local_gans: Digest


class CodeVersion(StatementPart):
    version: Text = __version__
    commit: Text | None  # that its repository was at; the code may have been changed since
    sha256: Digest       # of its files


class Statement(StatementPart):
    target: SourceVideo
    source: SourceVideo
    model: WeightDigests
    consent: Text              # the hash of the target's consent record
    code: CodeVersion
    label: bool                # burnt into the pictures
    label_reason: Text | None  # why not
    watermark: Annotated[str, StringConstraints(pattern="^[0-9a-f]{4}$")]  # the number in the pictures
    made: AwareDatetime        # by the clock of the machine that signed

    @property
    def what(self) -> str:
        return f"AI-generated: {self.target.name} doing what {self.source.name} did"
