"""Writes and reads C2PA Content Credentials.

They contain C2PA's standard assertions (created by trained algorithmic media, the ingredients, the software; the
watermark's algorithm and number as a soft binding) and one of our own, STATEMENT, with the hashes of everything that
the result was made from.
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
MISSING = ("ManifestNotFound", "NotSupported")  # the reader's errors for files without credentials


@dataclass(frozen=True)
class Credentials:
    statement: Statement | None  # None if the file was made by other software
    generator: str       # the software that made the file, by its own account
    intact: bool         # all hashes and the signature are valid: the file was not modified after signing
    trusted: bool        # intact, and signed with one of the given certificates, which is still valid
    signer: str          # organisation and name in the signing certificate
    problems: list[str]  # error codes of C2PA

    @property
    def expired(self) -> bool:
        """Whether the certificate has expired. There is no time stamp that proves when the file was signed."""
        return "signingCredential.expired" in self.problems


def sign(unsigned: Path, signed: Path, title: str, statement: Statement, certificate: Certificate, key: bytes,
         algorithm: str) -> None:
    """Adds credentials to the MP4 `unsigned` and writes it to `signed`."""
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
        raise InputError(f"{certificate.path}: cannot sign with this certificate ({error}). C2PA requires one "
                         "for signing that has not expired, is not self-signed, and has the extended key usage email "
                         "protection or document signing") from None


def manifest(title: str, statement: Statement) -> dict:
    """The manifest as a dict for c2pa-python."""
    content = statement.model_dump(mode="json")
    software = {"name": "FakeMotion", "version": __version__}
    actions = [
        {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": software,
         "when": content["made"], "description": statement.what},
        {"action": "c2pa.watermarked.bound", "softwareAgent": software, "when": content["made"]},
    ]
    binding = {"alg": watermark.ALGORITHM, "blocks": [{"scope": {}, "value": statement.watermark}]}  # scope: all frames
    ingredients = [
        {"title": file.name, "relationship": "inputTo", "instance_id": f"sha256:{file.sha256}", "description": what}
        for person, what in ((statement.target, "whose appearance it shows"),
                             (statement.source, "whose motion it shows"))
        for file in person.files
    ]
    return {
        "title": title, "format": FORMAT, "claim_generator_info": [software], "ingredients": ingredients,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}, "created": True},
                       {"label": SOFT_BINDING, "data": binding, "created": True},
                       {"label": STATEMENT, "data": content, "created": True}],
    }


def read(path: Path, certificates: list[Certificate]) -> Credentials | None:
    """The credentials of a file; None if it has none. `certificates` are trusted."""
    attempts = [_read(path, certificate) for certificate in certificates or [None]]
    found = next((one for one in attempts if one and one.trusted), attempts[0])
    if found and found.statement and found.intact and _has_unhashed_boxes(path):
        return replace(found, intact=False, trusted=False, problems=["content outside of the hash was added"])
    return found


def _read(path: Path, certificate: Certificate | None) -> Credentials | None:
    """The credentials, with one trusted certificate: serial numbers are unique only per issuer."""
    trust = {"trust": {"trust_anchors": certificate.issuer}} if certificate else {}
    try:
        with Context.from_dict(OFFLINE | trust) as context, Reader(path, context=context) as reader:
            content, state = json.loads(reader.json()), reader.get_validation_state()
    except C2paError as error:
        if str(error).startswith(MISSING):
            return None
        return Credentials(None, "", False, False, "", [plain(str(error))])
    active = content["manifests"].get(content["active_manifest"], {})  # missing if the manifest's name was changed
    assertion = next((part["data"] for part in active.get("assertions", []) if part["label"] == STATEMENT), None)
    signature = active.get("signature_info", {})
    ours = certificate is not None and signature.get("cert_serial_number") == str(certificate.serial)
    successes = content.get("validation_results", {}).get("activeManifest", {}).get("success", [])
    problems = [plain(problem["code"]) for problem in content.get("validation_status", [])]
    return Credentials(
        _statement(assertion), plain(next((one["name"] for one in active.get("claim_generator_info", [])), "")),
        any(one["code"] == "claimSignature.validated" for one in successes)
        and all(code.startswith("signingCredential.") for code in problems), state == "Trusted" and ours,
        plain(", ".join(filter(None, (signature.get("issuer"), signature.get("common_name"))))), problems)


def _has_unhashed_boxes(path: Path) -> bool:
    """Whether an MP4 has boxes that C2PA's hash does not cover and our files never have: a second `ftyp`, or `mfra`."""
    kinds = []
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", head[:8])
            kinds.append(kind)
            if not size:  # extends to the end of the file
                break
            size = struct.unpack(">Q", head[8:])[0] if size == 1 else size
            file.seek(max(8, size) - len(head), 1)
    return kinds.count(b"ftyp") > 1 or b"mfra" in kinds


def _statement(content: dict | None) -> Statement | None:
    """None if there is no statement or it has another form."""
    try:
        return Statement.model_validate(content)
    except ValidationError:
        return None
