"""C2PA Content Credentials: what a result says of itself, signed into the file, and read back.

Beside what C2PA has names for (created by trained algorithmic media, from these ingredients, with this software; a
watermark as soft binding, by which algorithm and with which number) stands an assertion of our own, STATEMENT, with the
hashes of all that the result was made from.
"""

import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from c2pa import Builder, C2paError, C2paSignerInfo, Context, Reader, Signer
from pydantic import ValidationError

from stages import InputError, __version__
from stages.media.files import atomic_write
from stages.provenance import watermark
from stages.provenance.certificates import Certificate
from stages.provenance.statement import Statement, plain

STATEMENT = "fakemotion.provenance"
SOFT_BINDING = "c2pa.soft-binding"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FORMAT = "video/mp4"
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
           "builder": {"thumbnail": {"enabled": False}, "bmff_hash_exclude_free_and_skip_boxes": False}}
MISSING = ("ManifestNotFound", "NotSupported")  # what the reader says of files that have no credentials


@dataclass(frozen=True)
class Credentials:
    statement: Statement | None  # None where somebody else has made the file
    generator: str       # the software that says it made the file
    intact: bool         # every hash and the signature fit: the file is as it was signed
    trusted: bool        # and the signature is of a certificate that was given, which is still valid
    signer: str          # organisation and name in the certificate that it was signed with
    problems: list[str]  # C2PA's codes

    @property
    def expired(self) -> bool:
        """The certificate, by now: there is no time stamp that says when the file was signed."""
        return "signingCredential.expired" in self.problems


def sign(unsigned: Path, signed: Path, title: str, statement: Statement, certificate: Certificate, key: bytes,
         algorithm: str) -> None:
    """Writes the MP4 `unsigned` with credentials to `signed`."""
    try:
        signer = Signer.from_info(C2paSignerInfo(algorithm, certificate.pem, key, None))
        with (
            Context.from_dict(OFFLINE) as context, Builder(manifest(title, statement), context=context) as builder,
            atomic_write(signed) as temporary, unsigned.open("rb") as source, temporary.open("w+b") as target,
        ):
            builder.sign(signer, FORMAT, source, target)
    except C2paError as error:
        if not str(error).startswith("Signature"):
            raise
        raise InputError(f"{certificate.path}: cannot sign with this certificate ({error}); C2PA wants one for signing "
                         "that has not expired, with the extended key usage email protection or document signing, "
                         "and that has not signed itself") from None


def manifest(title: str, statement: Statement) -> dict:
    """The manifest in the form that c2pa-python takes."""
    said = statement.model_dump(mode="json")
    software = {"name": "FakeMotion", "version": __version__}
    actions = [
        {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": software,
         "when": said["made"], "description": statement.what},
        {"action": "c2pa.watermarked.bound", "softwareAgent": software, "when": said["made"]},
    ]
    mark = {"scope": {}, "value": statement.watermark}  # no scope: in all pictures
    ingredients = [
        {"title": file.name, "relationship": "inputTo", "instance_id": f"sha256:{file.sha256}", "description": what}
        for person, what in ((statement.target, "whose appearance it shows"),
                             (statement.source, "whose motion it shows"))
        for file in person.files
    ]
    return {
        "title": title, "format": FORMAT, "claim_generator_info": [software], "ingredients": ingredients,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}, "created": True},
                       {"label": SOFT_BINDING, "data": {"alg": watermark.ALGORITHM, "blocks": [mark]}, "created": True},
                       {"label": STATEMENT, "data": said, "created": True}],
    }


def read(path: Path, certificates: list[Certificate]) -> Credentials | None:
    """The credentials of a file, or None where it has none; `certificates` are trusted."""
    tried = [_read(path, certificate) for certificate in certificates or [None]]
    found = next((one for one in tried if one and one.trusted), tried[0])
    if found and found.statement and found.intact and _more(path):
        return replace(found, intact=False, trusted=False, problems=["what no hash covers was added"])
    return found


def _read(path: Path, certificate: Certificate | None) -> Credentials | None:
    """With one certificate, since issuers number theirs apart."""
    trust = {"trust": {"trust_anchors": certificate.issuer}} if certificate else {}
    try:
        with Context.from_dict(OFFLINE | trust) as context, Reader(path, context=context) as reader:
            content, state = json.loads(reader.json()), reader.get_validation_state()
    except C2paError as error:
        if str(error).startswith(MISSING):
            return None
        return Credentials(None, "", False, False, "", [plain(str(error))])
    active = content["manifests"].get(content["active_manifest"], {})  # not there where its name was changed
    said = next((part["data"] for part in active.get("assertions", []) if part["label"] == STATEMENT), None)
    signed = active.get("signature_info", {})
    ours = certificate is not None and signed.get("cert_serial_number") == str(certificate.serial)
    fits = content.get("validation_results", {}).get("activeManifest", {}).get("success", [])
    problems = [plain(problem["code"]) for problem in content.get("validation_status", [])]
    return Credentials(
        _statement(said), plain(next((one["name"] for one in active.get("claim_generator_info", [])), "")),
        any(one["code"] == "claimSignature.validated" for one in fits)
        and all(code.startswith("signingCredential.") for code in problems), state == "Trusted" and ours,
        plain(", ".join(filter(None, (signed.get("issuer"), signed.get("common_name"))))), problems)


def _more(path: Path) -> bool:
    """Whether an MP4 has boxes that C2PA's hash leaves out and ours have not: a second `ftyp`, an `mfra`."""
    kinds = []
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", head[:8])
            kinds.append(kind)
            if not size:  # to the file's end
                break
            size = struct.unpack(">Q", head[8:])[0] if size == 1 else size
            file.seek(max(8, size) - len(head), 1)
    return kinds.count(b"ftyp") > 1 or b"mfra" in kinds


def _statement(said: dict | None) -> Statement | None:
    """None, too, for what nobody who signs with this code has said."""
    try:
        return Statement.model_validate(said)
    except ValidationError:
        return None
