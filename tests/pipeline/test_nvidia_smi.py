"""nvidia-smi, replaced by a small program."""

import sys

from pipeline import nvidia_smi


def test_query(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi.query("name") == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nimport sys\nassert sys.argv[1] == '--query-gpu=name'\nprint('GPU one\\nGPU two')")
    tool.chmod(0o755)
    assert nvidia_smi.query("name") == ["GPU one", "GPU two"]
    tool.write_text(f"#!{sys.executable}\nprint('No devices were found')\nraise SystemExit(6)")
    assert nvidia_smi.query("name") == []
