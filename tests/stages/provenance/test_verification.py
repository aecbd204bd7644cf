"""What a user is told of a file: ours and untouched, changed, stripped, somebody else's, or none."""

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


def test_ours_and_untouched_and_from_what(ours):
    sure, told = verify(ours)
    assert sure and told.startswith(f"{ours}: ours, and untouched")
    assert "ann doing what bob did" in told and "vouches for nobody's identity" in told
    for hashed in "abcdef0":
        assert 64 * hashed in told
    assert "left out: shown in a museum" in told and "ann.mp4" in told and "number b52e" in told


def test_changed(ours, tmp_path):
    content = bytearray(ours.read_bytes())
    content[len(content) // 2] ^= 1
    ours.write_bytes(content)
    sure, told = verify(ours)
    assert not sure and "CHANGED" in told.splitlines()[0] and "bmffHash.mismatch" in told


def test_encoded_anew_only_the_watermark_is_left_and_says_which_it_was(ours, tmp_path):
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
    sure, told = verify(copy, [other, ours, copy])
    assert not sure and "no Content Credentials" in told
    assert "FakeMotion's, number b52e" in told and f"they have the number of {ours}" in told and str(other) not in told
    assert "no result here has this number" in verify(copy, [other])[1]


def test_a_recording_is_not_ours(tmp_path):
    path, rng = tmp_path / "recording.mp4", np.random.default_rng(0)
    with video_file.h264(path, 25, 18, {}) as write:
        for _ in range(50):
            write(rng.integers(0, 256, (120, 160, 3), np.uint8))
    sure, told = verify(path)
    assert not sure and "no Content Credentials" in told and "none that can be read" in told


@pytest.mark.parametrize("count, told", [(1, "a single picture is not enough"), (25, "1.0 s of video are not enough")])
def test_what_is_too_short_to_tell_is_said(tmp_path, count, told):
    path = tmp_path / "short.mp4"
    with video_file.h264(path, 25, 18, {}) as write:
        for _ in range(count):
            write(np.full((120, 160, 3), 130, np.uint8))
    assert f"{told} to read it from, 2 s are" in verify(path)[1]


def test_the_mark_is_found_in_the_middle_of_a_longer_video(ours, tmp_path):
    """A clip of ours in somebody's film."""
    path, pictures = tmp_path / "film.mp4", list(video_file.frames(ours))
    with video_file.h264(path, 25, 18, {}) as write:
        for frame in range(480):
            write(pictures[(frame - 245) % 50] if 245 <= frame < 445 else np.full((192, 256, 3), frame // 3, np.uint8))
    assert "FakeMotion's, number b52e" in verify(path)[1]


def test_signed_by_somebody_unknown(ours, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    sure, told = verify(ours)
    assert not sure and "somebody whom this machine does not know" in " ".join(told.split())
    assert "ann doing what bob did" in told


def test_their_certificate_makes_a_colleague_s_known(unsigned, tmp_path, authority, monkeypatch):
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
def test_somebody_else_s_credentials_are_not_ours(unsigned, tmp_path, statement):
    """Even with our certificate, and even where they call themselves like ours."""
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
    sure, told = verify(path)
    assert not sure and "not one of ours" in told and "Camera?[2J" in told and "\x1b" not in told


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 5000, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a video"):
        verify(path)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a file"):
        verify(tmp_path / "none.mp4")


def test_where_the_certificate_has_expired_since_it_is_said_that_nothing_was_changed(
        unsigned, tmp_path, authority, monkeypatch):
    path = tmp_path / "old.mp4"
    for seconds in (2, 8, 32):  # a slow machine signs too late
        files = authority.issue(tmp_path, "Ana", days=seconds / 86400)
        for name, file in zip((certificates.CERTIFICATE, certificates.KEY), files):
            monkeypatch.setenv(name, str(file))
        with suppress(InputError):
            credentials.sign(unsigned, path, "", STATEMENT, *certificates.signing_certificate())
            break
    end = certificates.read(files[0]).chain[0].not_valid_after_utc
    time.sleep(max(0, (end - datetime.now(timezone.utc)).total_seconds() + 1.1))
    sure, told = verify(path)
    assert not sure and "CHANGED" not in told and "unchanged since it was signed" in told.splitlines()[0]
    assert "the certificate of A Studio, Ana has expired" in told and "ann doing what bob did" in told
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    assert "CHANGED" in verify(path)[1].splitlines()[0]


def test_what_is_long_does_not_hide_the_verdict_and_time_is_told_with_its_zone(unsigned, tmp_path):
    path, person = tmp_path / "long.mp4", STATEMENT.target.model_copy(update={"name": 9999 * "a"})
    said = STATEMENT.model_copy(update={"target": person, "made": datetime.fromisoformat("2026-11-22T12:00+05:00")})
    credentials.sign(unsigned, path, "", said, *certificates.signing_certificate())
    told = verify(path)[1]
    assert max(map(len, told.splitlines())) < 500
    said = STATEMENT.model_copy(update={"made": said.made})
    credentials.sign(unsigned, path, "", said, *certificates.signing_certificate())
    assert "2026-11-22 12:00 +05:00\n" in verify(path)[1]


@pytest.mark.parametrize("name", ["\x1b[2Jfine\nvideo.mp4: ours, and untouched.mp4", os.fsdecode(b"\xff.mp4")])
def test_what_a_file_is_called_is_harmless_in_a_terminal(unsigned, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(unsigned.read_bytes())
    sure, told = verify(path)
    assert not sure and len(told.splitlines()) == 2 and all(line.isprintable() for line in told.splitlines())
    path.write_bytes(b"hello")
    with pytest.raises(InputError) as error:
        verify(path)
    assert str(error.value).isprintable()


def test_a_file_cut_off_is_changed(ours):
    ours.write_bytes(ours.read_bytes()[:-300])
    sure, told = verify(ours)
    assert not sure and "CHANGED" in told
