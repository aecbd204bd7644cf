"""The report on a file: valid, changed, without credentials, from other software, or not a video."""

import json
import os
import time
from contextlib import suppress
from datetime import datetime, timezone

import av
import numpy as np
import pytest
from c2pa import Builder, C2paSignerInfo, Context, Signer

from stages import InputError
from stages.media import video_file
from stages.provenance import certificates, credentials
from stages.provenance.verification import verify
from tests.stages.provenance import attacks
from tests.stages.provenance.conftest import STATEMENT


@pytest.fixture
def ours(unsigned, tmp_path):
    path = tmp_path / "video.mp4"
    credentials.sign(unsigned, path, "ann from bob", STATEMENT, *certificates.signing_certificate())
    return path


def test_a_valid_file_and_its_inputs(ours):
    sure, report = verify(ours)
    assert sure and report.startswith(f"{ours}: valid: made with FakeMotion, not modified")
    assert "ann doing what bob did" in report and "does not prove anybody's identity" in report
    for hashed in "abcdef0":
        assert 64 * hashed in report
    assert "left out: shown in a museum" in report and "ann.mp4" in report and "number b52e" in report


def test_changed(ours, tmp_path):
    content = bytearray(ours.read_bytes())
    content[len(content) // 2] ^= 1
    ours.write_bytes(content)
    sure, report = verify(ours)
    assert not sure and "CHANGED" in report.splitlines()[0] and "bmffHash.mismatch" in report


def test_a_reencoded_file_is_identified_by_its_watermark(ours, tmp_path):
    pictures = attacks.crop(np.stack(list(video_file.frames(ours))))
    copy = tmp_path / "copy.mkv"
    with av.open(str(copy), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "23"})
        stream.pix_fmt, stream.height, stream.width = "yuv420p", *(side // 2 * 2 for side in pictures.shape[1:3])
        for picture in pictures:
            picture = np.ascontiguousarray(picture[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    other = tmp_path / "other.mp4"
    with video_file.h264(other, 25, 18, {"watermark": "0000"}) as write:
        write(pictures[0])
    sure, report = verify(copy, [other, ours, copy])
    assert not sure and "no Content Credentials" in report
    assert "FakeMotion's, number b52e" in report and f"the same number as {ours}" in report and str(other) not in report
    assert "no result in this project has this number" in verify(copy, [other])[1]


def test_a_recording_has_no_watermark(tmp_path):
    path, rng = tmp_path / "recording.mp4", np.random.default_rng(0)
    with video_file.h264(path, 25, 18, {}) as write:
        for _ in range(50):
            write(rng.integers(0, 256, (120, 160, 3), np.uint8))
    sure, report = verify(path)
    assert not sure and "no Content Credentials" in report and "none detected" in report


@pytest.mark.parametrize("count, length", [(1, "a single frame"), (25, "1.0 s of video")])
def test_videos_that_are_too_short(tmp_path, count, length):
    path = tmp_path / "short.mp4"
    with video_file.h264(path, 25, 18, {}) as write:
        for _ in range(count):
            write(np.full((120, 160, 3), 130, np.uint8))
    assert f"{length} is too short to detect it, 2 s are needed" in verify(path)[1]


def test_the_watermark_is_found_in_the_middle_of_a_longer_video(ours, tmp_path):
    """A result used as part of another video."""
    path, pictures = tmp_path / "film.mp4", list(video_file.frames(ours))
    with video_file.h264(path, 25, 18, {}) as write:
        for frame in range(480):
            write(pictures[(frame - 245) % 50] if 245 <= frame < 445 else np.full((192, 256, 3), frame // 3, np.uint8))
    assert "FakeMotion's, number b52e" in verify(path)[1]


def test_signed_with_an_unknown_certificate(ours, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    sure, report = verify(ours)
    assert not sure and "signed with an unknown certificate" in report
    assert "ann doing what bob did" in report


def test_the_certificate_is_enough_for_verification(unsigned, tmp_path, authority, monkeypatch):
    for name, file in zip((certificates.CERTIFICATE, certificates.KEY), authority.issue(tmp_path, "Ana")):
        monkeypatch.setenv(name, str(file))
    path = tmp_path / "theirs.mp4"
    credentials.sign(unsigned, path, "", STATEMENT, *certificates.signing_certificate())
    monkeypatch.delenv(certificates.KEY)
    assert verify(path)[0]
    monkeypatch.delenv(certificates.CERTIFICATE)
    assert not verify(path)[0]


@pytest.mark.parametrize("statement", [
    None, {"target": "me"}, STATEMENT.model_dump(mode="json") | {"watermark": "\x1b[2J"}])
def test_credentials_of_other_software(unsigned, tmp_path, statement):
    """Even if signed with our certificate, and even with an assertion of the same name."""
    certificate, key, algorithm = certificates.signing_certificate()
    content = credentials.manifest("", STATEMENT)
    content["claim_generator_info"] = [{"name": "Camera\x1b[2J"}]
    content["assertions"] = [one for one in content["assertions"] if one["label"] != credentials.STATEMENT]
    if statement:
        content["assertions"].append({"label": credentials.STATEMENT, "data": statement})
    path = tmp_path / "camera.mp4"
    signer = Signer.from_info(C2paSignerInfo(algorithm, certificate.pem, key, None))
    with unsigned.open("rb") as source, path.open("w+b") as target:
        Builder.from_json(json.dumps(content), context=Context.from_dict(credentials.OFFLINE)).sign(
            signer, "video/mp4", source, target)
    sure, report = verify(path)
    assert not sure and "not made with FakeMotion" in report and "Camera?[2J" in report and "\x1b" not in report


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 5000, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"])
def test_other_files_than_videos_are_rejected(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a video"):
        verify(path)


def test_missing_files_are_rejected(tmp_path):
    with pytest.raises(InputError, match="expected a file"):
        verify(tmp_path / "none.mp4")


def test_an_expired_certificate_is_reported_as_unchanged(
        unsigned, tmp_path, authority, monkeypatch):
    path = tmp_path / "old.mp4"
    for seconds in (2, 8, 32):  # on a slow machine the first may expire before signing
        files = authority.issue(tmp_path, "Ana", days=seconds / 86400)
        for name, file in zip((certificates.CERTIFICATE, certificates.KEY), files):
            monkeypatch.setenv(name, str(file))
        with suppress(InputError):
            credentials.sign(unsigned, path, "", STATEMENT, *certificates.signing_certificate())
            break
    end = certificates.read(files[0]).chain[0].not_valid_after_utc
    time.sleep(max(0, (end - datetime.now(timezone.utc)).total_seconds() + 1.1))
    sure, report = verify(path)
    assert not sure and "CHANGED" not in report and "not modified since it was signed" in report.splitlines()[0]
    assert "the certificate of A Studio, Ana has expired" in report and "ann doing what bob did" in report
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    assert "CHANGED" in verify(path)[1].splitlines()[0]


def test_long_text_is_cut_and_times_have_a_zone(unsigned, tmp_path):
    path, person = tmp_path / "long.mp4", STATEMENT.target.model_copy(update={"name": 9999 * "a"})
    said = STATEMENT.model_copy(update={"target": person, "made": datetime.fromisoformat("2026-11-22T12:00+05:00")})
    credentials.sign(unsigned, path, "", said, *certificates.signing_certificate())
    report = verify(path)[1]
    assert max(map(len, report.splitlines())) < 500
    said = STATEMENT.model_copy(update={"made": said.made})
    credentials.sign(unsigned, path, "", said, *certificates.signing_certificate())
    assert "2026-11-22 12:00 +05:00\n" in verify(path)[1]


@pytest.mark.parametrize("name", ["\x1b[2Jfine\nvideo.mp4: valid.mp4", os.fsdecode(b"\xff.mp4")])
def test_control_characters_in_file_names_are_replaced(unsigned, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(unsigned.read_bytes())
    sure, report = verify(path)
    assert not sure and len(report.splitlines()) == 2 and all(line.isprintable() for line in report.splitlines())
    path.write_bytes(b"hello")
    with pytest.raises(InputError) as error:
        verify(path)
    assert str(error.value).isprintable()


def test_a_truncated_file_is_changed(ours):
    ours.write_bytes(ours.read_bytes()[:-300])
    sure, report = verify(ours)
    assert not sure and "CHANGED" in report
