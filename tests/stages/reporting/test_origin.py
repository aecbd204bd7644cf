import pytest

from stages.consent import Consent
from stages.reporting import origin

RECORD = {"who": "Ann Ample", "when": "2026-05-01", "scope": "this project", "record": "consent/ann.pdf"}


def test_consent_is_shown_as_recorded():
    assert origin.consent({"consent": "synthetic"}) == {"record": "synthetic"}
    for record, wanted in (("synthetic", {"record": "synthetic"}), (RECORD, RECORD)):
        assert origin.consent({"consent": "ab12", "consent_record": record}) == wanted | {"SHA-256": "ab12"}


@pytest.mark.parametrize("more", [{}, {"sha256": 64 * "a"}])
def test_only_fields_with_a_value_are_shown(more):
    """In the form that training stores, which contains fields without a value."""
    noted = Consent(**RECORD, **more).model_dump(mode="json")
    assert origin.consent({"consent": "ab12", "consent_record": noted}) == RECORD | more | {"SHA-256": "ab12"}


def test_files_and_folders_with_their_sizes(tmp_path):
    (tmp_path / "folder").mkdir()
    for name, size in (("folder/a", 3), ("folder/b", 4), ("c", 5)):
        (tmp_path / name).write_bytes(b"x" * size)
    found = origin.files({"one": tmp_path / "folder", "two": tmp_path / "c", "again": tmp_path / "c"})
    assert [(path.split("/")[-1], size) for path, size, _ in found] == [("c", "5 B"), ("folder", "7 B")]
