"""The user's certificate, and the local one that is created if they have none."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages import InputError
from stages.provenance import certificates
from tests.stages.provenance import issuing

ROOT = Path(__file__).parents[3]


def test_the_local_certificate_is_created_once_and_private(machine):
    first, key, algorithm = certificates.signing_certificate()
    path = certificates.local_path()
    assert path.is_relative_to(machine) and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert first.local and algorithm == "es256" and b"PRIVATE KEY" in key
    again, key_again, _ = certificates.signing_certificate()
    assert (again.serial, key_again) == (first.serial, key)
    assert [one.serial for one in certificates.own_certificates()] == [first.serial]


def test_openssl_accepts_it(machine, tmp_path):
    """A chain of two, for signing, valid for decades; the issuer's key is not stored."""
    certificate, key, _ = certificates.signing_certificate()
    (tmp_path / "chain.pem").write_bytes(certificate.pem)
    (tmp_path / "issuer.pem").write_text(certificate.issuer)
    ask = lambda *words: subprocess.run(["openssl", *words], capture_output=True, text=True)
    path = str(tmp_path / "chain.pem")
    checked = ask("verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", str(tmp_path / "issuer.pem"), path)
    assert checked.returncode == 0, checked.stderr
    text = ask("x509", "-in", path, "-noout", "-text").stdout
    assert "E-mail Protection" in text and "Digital Signature" in text and "CA:FALSE" in text
    assert certificates.LOCAL in text and not ask("x509", "-in", path, "-checkend", str(40 * 365 * 86400)).returncode
    assert certificates.local_path().read_bytes().count(b"PRIVATE KEY-----") == 2  # begin and end of a single key


def test_two_processes_create_one_certificate(machine):
    code = "from stages.provenance import certificates; print(certificates.signing_certificate()[0].serial)"
    run = lambda _: subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(run, range(2)))) == 1


def test_the_error_for_a_folder_that_is_not_writable(machine):
    machine.write_text("in the way")
    with pytest.raises(InputError, match="cannot be stored there .*XDG_CONFIG_HOME"):
        certificates.signing_certificate()


def test_own_certificates_creates_none(machine):
    assert certificates.own_certificates() == [] and not machine.exists()


@pytest.mark.parametrize("kind, algorithm", [
    ("P-256", "es256"), ("P-384", "es384"), ("Ed25519", "ed25519"), ("RSA", "ps256")])
def test_the_users_certificate(machine, tmp_path, authority, monkeypatch, kind, algorithm):
    files = authority.issue(tmp_path, "Ana", kind)
    for name, file in zip((certificates.CERTIFICATE, certificates.KEY), files):
        monkeypatch.setenv(name, str(file))
    certificate, _, found = certificates.signing_certificate()
    assert (certificate.owner, certificate.local, found) == ("A Studio, Ana", False, algorithm) and not machine.exists()


@pytest.mark.parametrize("change, message", [
    (lambda pem, key: os.environ.pop(certificates.KEY), "FAKEMOTION_KEY is not set, but FAKEMOTION_CERTIFICATE is"),
    (lambda pem, key: pem.unlink(), "not a readable certificate"),
    (lambda pem, key: pem.write_text("hello"), "not a readable certificate"),
    (lambda pem, key: key.write_text("hello"), "not a readable private key"),
    (lambda pem, key: key.unlink(), "not a readable private key"),
    (lambda pem, key: issuing.write(key.parent, "Ana", [issuing.certificate("Ana", own := issuing.KEYS["P-256"](),
     "Ana", own, False)], own), "followed by its issuer's"),
    (lambda pem, key: issuing.Authority().issue(key.parent, "other")[1].rename(key), "does not match the certificate"),
], ids=["half", "lost", "no certificate", "no key", "lost key", "alone", "other key"])
def test_unusable_certificates_are_rejected(tmp_path, authority, monkeypatch, change, message):
    pem, key = authority.issue(tmp_path, "Ana")
    monkeypatch.setenv(certificates.CERTIFICATE, str(pem))
    monkeypatch.setenv(certificates.KEY, str(key))
    change(pem, key)
    with pytest.raises(InputError, match=message):
        certificates.signing_certificate()
