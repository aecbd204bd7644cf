"""Which changes of the code change a digest, in a small project of three modules."""

import ast
from pathlib import Path

import pytest

from stages import InputError, code_digest, layout
from stages.code_digest import Code

FILES = {
    "stages/__init__.py": "__version__ = '1'",
    "stages/layout.py": "a = 1",
    "stages/params.py": "a = 1",
    "stages/media/__init__.py": '"""Empty."""',
    "stages/media/video_file.py": '"""Video."""\nFPS = 25\n\n\ndef read(path):\n    return path',
    "stages/nets/__init__.py": '"""Empty."""',
    "stages/nets/generator.py": "from stages.media.video_file import FPS, read\n\n\nclass Generator:\n    rate = FPS",
    "stages/fusion.py": "from typing import TYPE_CHECKING\n\nfrom stages.media import video_file\n"
                        "from stages.nets.generator import Generator\n\n\ndef run():\n    return Generator, video_file.FPS",
}
ROOT = Path(__file__).parents[2]
FUSION, VIDEO, GENERATOR = "stages/fusion.py", "stages/media/video_file.py", "stages/nets/generator.py"


@pytest.fixture
def project(tmp_path) -> Path:
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text)


def digest(project: Path) -> str:
    return Code(project).digest("fusion")


@pytest.mark.parametrize("file, old, new", [
    (VIDEO, "FPS = 25", "FPS = 25  # frames per second"),
    (VIDEO, "FPS = 25", "\n\n\nFPS = (25)"),
    (VIDEO, '"""Video."""', '"""Reads video."""'),
    (VIDEO, '"""Video."""\n', ""),
    (VIDEO, "return path", '"""The path."""\n    return path'),
    (FUSION, "def run", "if TYPE_CHECKING:\n    from stages.nets import inpainter\n\n\ndef run"),
    (FUSION, "from stages.media import video_file\nfrom stages.nets.generator import Generator",
     "from stages.nets.generator import Generator\nfrom stages.media import video_file"),
    (GENERATOR, "import FPS, read", "import read, FPS"),
    ("stages/layout.py", "a = 1", "a = 2"),       # paths are tracked by DVC
    ("stages/params.py", "a = 1", "a = 2"),       # parameters are tracked by DVC
    ("stages/__init__.py", "'1'", "'2'"),         # no module imports its constants
])
def test_changes_without_effect(project, file, old, new):
    before = digest(project)
    assert old in FILES[file]
    write(project, file, FILES[file].replace(old, new))
    assert digest(project) == before


@pytest.mark.parametrize("file, old, new", [
    (FUSION, "return Generator", "return Generator(), Generator"),
    (FUSION, "video_file.FPS", "-video_file.FPS"),
    (FUSION, "import video_file", "import video_file as film"),
    (FUSION, "def run():", "def run():\n    from stages.nets import other\n"),
    (VIDEO, "FPS = 25", "FPS = 25.0"),
    (VIDEO, "FPS = 25", "FPS = '25'"),
    (VIDEO, "return path", "return None"),
    (VIDEO, "return path", "return path, 'text'"),
    (GENERATOR, "import FPS, read", "import FPS as read, read as FPS"),
])
def test_changes_with_effect(project, file, old, new):
    before = digest(project)
    assert old in FILES[file]
    write(project, file, FILES[file].replace(old, new))
    write(project, "stages/nets/other.py", "a = 1")
    assert digest(project) != before


def test_a_module_may_move_to_another_package(project):
    before = digest(project)
    write(project, "stages/film/video_file.py", FILES[VIDEO])
    write(project, "stages/film/__init__.py", '"""Films."""')
    for file in (FUSION, GENERATOR):
        write(project, file, FILES[file].replace("stages.media", "stages.film"))
    (project / VIDEO).unlink()
    assert digest(project) == before


def test_modules_with_the_same_name_are_not_confused(project):
    """Both modules are part of the stage before and after; only the import graph changes."""
    write(project, "stages/film/video_file.py", "FPS = 10\nread = None")
    write(project, GENERATOR, FILES[GENERATOR].replace("stages.media", "stages.film"))
    before = digest(project)
    write(project, GENERATOR, FILES[GENERATOR])
    write(project, FUSION, FILES[FUSION].replace("stages.media", "stages.film"))
    after = digest(project)
    assert after != before and after.splitlines()[1:] == before.splitlines()[1:]


def test_data_files_count_for_stages_that_import_a_module_beside_them(project):
    before = digest(project)
    write(project, "stages/nets/table.csv", "1")
    second = digest(project)
    write(project, "stages/nets/table.csv", "2")
    assert len({before, second, digest(project)}) == 3
    write(project, "stages/vision/other.csv", "1")
    assert digest(project) != second and len(digest(project).splitlines()) == len(second.splitlines())


def test_every_version_of_python_gives_the_same():
    """A worker may run another version than the caller."""
    text = "def f(a: int = 3, *b, c=None, **d) -> str:\n    return f'{a!r} {b}' if a else {**d, 'é': [1j, b'x', ...]}"
    tokens = code_digest.Module(Code(), Path(__file__))._canonical(ast.parse(text), [])
    assert code_digest._checksum(" ".join(tokens).encode()) == "a61b6decae4324c6"


def test_the_error_names_the_changed_file_and_the_command(project, monkeypatch):
    monkeypatch.setattr(layout, "KINDS", {"fusion": "transfers"})
    path = project / layout.digest("fusion")
    with pytest.raises(InputError, match="digests/fusion.txt is out of date: stages/fusion.py, stages/media/video_file.py"):
        code_digest.check(["fusion"], project)
    path.parent.mkdir()
    path.write_text(digest(project))
    code_digest.check(["fusion"], project)
    write(project, VIDEO, "FPS = 30\nread = None")
    with pytest.raises(InputError) as stale:
        code_digest.check(["fusion"], project)
    assert str(stale.value) == (
        "digests/fusion.txt is out of date: stages/media/video_file.py changed since it was written.\n"
        "  python -m pipeline.dvc_backend.digests\n(make digests) updates it; the stage is then computed again")


@pytest.mark.parametrize("line, wanted", [
    ("from stages.nets import generator", [VIDEO, GENERATOR]),
    ("import stages.nets.generator", [VIDEO, GENERATOR]),
    ("def f():\n    from stages.nets.generator import Generator", [VIDEO, GENERATOR]),
    ("from stages import InputError, layout, params", []),
    ("from stages import __version__", ["stages/__init__.py"]),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stages.nets import generator", []),
    ("from stages.media.video_file import FPS", [VIDEO]),
    ("import torch.nn", []),
])
def test_sources_of_known_imports(project, line, wanted):
    write(project, FUSION, line)
    found = [str(module.path.relative_to(project)) for module in Code(project).sources("fusion")]
    assert found == [FUSION, *wanted]


def bare(tree: ast.Module) -> ast.Module:
    """Without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def test_no_comment_docstring_or_blank_line_of_any_module_counts(tmp_path):
    """`ast.unparse` drops comments and blank lines."""
    for path in (ROOT / "stages").rglob("*.py"):
        copy = tmp_path / path.name
        copy.write_text(ast.unparse(bare(ast.parse(path.read_text()))), encoding="utf-8")
        code = Code(ROOT)
        assert code_digest.Module(code, copy).checksum == code_digest.Module(code, path).checksum, path
