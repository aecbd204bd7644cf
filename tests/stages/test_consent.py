"""Consent records: which are valid, and that the hash covers every field."""

import hashlib

import pytest
from pydantic import ValidationError

from stages import InputError, params
from stages.consent import Consent, consent_digest

ANA = dict(who="Ana Ruiz", when="2026-11-22", scope="one dance video", record="said so on tape 3")


def subject(**consent) -> params.Subject:
    return params.Subject(preset="demo", consent=consent)


@pytest.mark.parametrize("consent, message", [
    ("yes", "expected {who: Ana Ruiz"), ("", "expected {who"), ({**ANA, "who": " "}, "at least 1 character"),
    ({**ANA, "when": "yesterday"}, "the date of the agreement"), ({**ANA, "when": "2026-13-01"}, "the date of"),
    ({name: ANA[name] for name in ("who", "when", "scope")}, "record"), ({**ANA, "sha256": "abc"}, "sha256"),
    ({**ANA, "whom": "Ben"}, "whom"),
])
def test_invalid_records_are_rejected(consent, message):
    with pytest.raises(ValidationError, match=message):
        params.Subject(preset="demo", consent=consent)


def test_dates_need_quotes_because_dvc_cannot_store_dates(tmp_path, config):
    text = (tmp_path / "params.yaml")
    content = params.Params.model_dump_json(config)
    unquoted = '"consent":{"who":"A","when":2026-11-22,"scope":"s","record":"r"}'
    text.write_text(content.replace('"consent":"synthetic"', unquoted))
    with pytest.raises(InputError, match='subjects.ava.consent.record.when: .*quotes, "2026-11-22"'):
        params.load(text)


def test_the_hash_covers_every_field():
    hashes = {consent_digest(Consent(**{**ANA, name: "2026-11-23" if name == "when" else "another"})) for name in ANA}
    assert len(hashes | {consent_digest(Consent(**ANA)), consent_digest("synthetic")}) == len(ANA) + 2
    assert consent_digest("synthetic") == hashlib.sha256(b'"synthetic"').hexdigest()
    assert subject(**ANA).require_consent("ana") == consent_digest(Consent(**ANA))
    assert consent_digest(Consent(**ANA)) == consent_digest(Consent(**ANA, sha256=None))


def test_a_signed_file_must_have_its_recorded_checksum(tmp_path):
    form = tmp_path / "form.pdf"
    with_form = {**ANA, "record": str(form)}
    assert subject(**with_form).require_consent("ana")  # the file need not exist on every machine
    form.write_bytes(b"I agree")
    checksum = hashlib.sha256(b"I agree").hexdigest()
    with pytest.raises(InputError, match=f"sha256: {checksum}"):
        subject(**with_form).require_consent("ana")
    assert subject(**with_form, sha256=checksum).require_consent("ana")
    form.write_bytes(b"I agree to all")
    with pytest.raises(InputError, match="form.pdf: not the file of subjects.ana.consent"):
        subject(**with_form, sha256=checksum).require_consent("ana")


@pytest.mark.parametrize("said", [40 * "I agree to all of it. ", "~ by telephone, on Monday", "yes\0"])
def test_text_records_may_contain_anything(said):
    """Longer than a file name can be, or similar to a path."""
    consent = Consent(**{**ANA, "record": said})
    assert subject(**{**ANA, "record": said}).require_consent("ana") == consent_digest(consent)


@pytest.mark.parametrize("stage, key, whose", [
    ("frames", "ava", None), ("pose_extraction", "ben", None), ("retargeting", "ava_from_ben", "ava"),
    ("pose_coverage", "ava_from_ben", "ava"), ("mask_segmentation", "ava", "ava"),
    ("generator_training", "ava", "ava"), ("fusion", "ava_from_ben", "ava"), ("report", "ava_from_ava", "ava"),
])
def test_which_artifacts_record_whose_consent(config, stage, key, whose):
    assert config.consent(stage, key) == (whose and consent_digest(config.subjects[whose].consent))
