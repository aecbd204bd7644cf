"""Content Credentials: the statement is read back, changes are detected, and frames do not change."""

import json
import re
import struct

import av
import pytest
from c2pa import Reader

from stages import InputError
from stages.provenance import certificates, credentials, watermark
from tests.stages.provenance.conftest import STATEMENT


def signed(unsigned, folder, **changes):
    path = folder / "video.mp4"
    credentials.sign(unsigned, path, "ann from bob (AI-generated)", STATEMENT.model_copy(update=changes),
                     *certificates.signing_certificate())
    return path


def packets(path):
    with av.open(str(path)) as container:
        return [(packet.stream_index, packet.pts, bytes(packet)) for packet in container.demux() if packet.size]


def test_the_statement_is_read_back(unsigned, tmp_path):
    found = credentials.read(signed(unsigned, tmp_path), certificates.own_certificates())
    assert found.statement == STATEMENT and found.intact and found.trusted and found.problems == []
    assert found.generator == "FakeMotion" and found.signer.startswith(certificates.LOCAL)


def test_other_c2pa_readers_show_type_and_ingredients(unsigned, tmp_path):
    """From the manifest alone, without the project's code."""
    content = json.loads(Reader(str(signed(unsigned, tmp_path))).json())
    manifest = content["manifests"][content["active_manifest"]]
    actions = next(one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    created = next(one for one in actions if one["action"] == "c2pa.created")
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert created["softwareAgent"]["name"] == manifest["claim_generator_info"][0]["name"] == "FakeMotion"
    found = {one["title"]: (one["instance_id"], one["relationship"]) for one in manifest["ingredients"]}
    assert found == {name: (f"sha256:{64 * letter}", "inputTo") for name, letter in
                     (("ann.mp4", "a"), ("1.mp4", "b"), ("2.mp4", "c"))}


def test_other_c2pa_readers_show_the_watermark(unsigned, tmp_path):
    reader = Reader(str(signed(unsigned, tmp_path)))
    content = json.loads(reader.json())
    manifest = content["manifests"][content["active_manifest"]]
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert said["c2pa.soft-binding"]["alg"] == watermark.ALGORITHM
    assert said["c2pa.soft-binding"]["blocks"] == [{"scope": {}, "value": STATEMENT.watermark}]
    actions = next(data["actions"] for label, data in said.items() if label.startswith("c2pa.actions"))
    assert "c2pa.watermarked.bound" in [one["action"] for one in actions]
    assert {one["code"] for one in content["validation_status"]} == {"signingCredential.untrusted"}


def test_frames_and_metadata_do_not_change(unsigned, tmp_path):
    path = signed(unsigned, tmp_path)
    assert packets(path) == packets(unsigned) and packets(path)
    with av.open(str(path)) as new, av.open(str(unsigned)) as old:
        assert new.metadata == old.metadata and new.metadata["watermark"] == STATEMENT.watermark


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9, 0.999])
def test_one_changed_bit_is_detected(unsigned, tmp_path, place):
    path = signed(unsigned, tmp_path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    found = credentials.read(path, certificates.own_certificates())
    assert not found.intact and not found.trusted and found.problems


def test_a_changed_manifest_name_is_detected(unsigned, tmp_path):
    """At all places where the manifest's name occurs."""
    path = signed(unsigned, tmp_path)
    content = path.read_bytes()
    places = [found.start() for found in re.finditer(b"urn:c2pa:", content)]
    assert len(places) > 1
    for place in places:
        path.write_bytes(content[:place] + b"v" + content[place + 1 :])
        found = credentials.read(path, certificates.own_certificates())
        assert not found.intact and not found.trusted and found.problems


@pytest.mark.parametrize("kind", ["free", "skip", "ftyp", "mfra", "mdat", "uuid"])
def test_added_boxes_are_detected(unsigned, tmp_path, kind):
    """Including boxes that players ignore and that C2PA allows to exclude from the hash."""
    path = signed(unsigned, tmp_path)
    more = struct.pack(">I4s", 16, b"mfro") + bytes(8) if kind == "mfra" else b"hidden, and long enough to matter"
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 8 + len(more), kind.encode()) + more)
    found = credentials.read(path, certificates.own_certificates())
    assert not found.intact and not found.trusted and found.problems


def test_a_changed_statement_is_detected(unsigned, tmp_path):
    path = signed(unsigned, tmp_path)
    content = path.read_bytes()
    assert content.count(b"shown in a museum") == 1
    path.write_bytes(content.replace(b"shown in a museum", b"shown to everyone"))
    assert not credentials.read(path, certificates.own_certificates()).intact


def test_unknown_certificates_are_not_trusted(unsigned, tmp_path, monkeypatch):
    """Without certificates, and with that of another machine."""
    path = signed(unsigned, tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    for known in ([], [certificates.signing_certificate()[0]]):
        found = credentials.read(path, known)
        assert found.intact and not found.trusted and found.statement == STATEMENT


@pytest.mark.parametrize("kind", ["P-256", "P-384", "Ed25519", "RSA"])
def test_another_certificate_of_the_same_issuer_is_not_trusted(unsigned, tmp_path, authority, monkeypatch, kind):
    """Both are issued by the same authority."""
    mine, theirs = (authority.issue(tmp_path, name, kind) for name in ("Ana", "Cho"))
    monkeypatch.setenv(certificates.CERTIFICATE, str(mine[0]))
    monkeypatch.setenv(certificates.KEY, str(mine[1]))
    path = signed(unsigned, tmp_path)
    found = credentials.read(path, certificates.own_certificates())
    assert found.trusted and found.signer == "A Studio, Ana"
    found = credentials.read(path, [certificates.read(theirs[0])])
    assert found.intact and not found.trusted


def test_an_expired_certificate_is_rejected(unsigned, tmp_path, authority, monkeypatch):
    for name, file in zip((certificates.CERTIFICATE, certificates.KEY), authority.issue(tmp_path, "Ana", days=-1)):
        monkeypatch.setenv(name, str(file))
    with pytest.raises(InputError, match="Ana.pem: cannot sign with this certificate"):
        signed(unsigned, tmp_path)
    assert not (tmp_path / "video.mp4").exists()


def test_a_file_without_credentials(unsigned):
    assert credentials.read(unsigned, []) is None


def test_control_characters_are_replaced(unsigned, tmp_path):
    person = STATEMENT.target.model_copy(update={"name": "ann\x1b[2J\nours"})
    found = credentials.read(signed(unsigned, tmp_path, target=person), certificates.own_certificates())
    assert found.statement.target.name == "ann?[2J?ours"
