from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.run_tests import MOST, WORKERS, main

UNSTEADY = """
from pathlib import Path

def test_passes():
    with Path("runs.txt").open("a") as file:
        file.write("x")

def test_fails_at_first():
    assert Path("runs.txt").read_text() == "xx"
"""


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run of pytest starts sooner."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_what_fails_beside_others_and_passes_alone_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {"test_good.py": "def test_passes(): pass", "test_chance.py": UNSTEADY})
    assert main(tmp_path, ("-p", "xdist.plugin", *WORKERS)) == 0
    output = capfd.readouterr().out
    assert "1 failed, 2 passed" in output
    assert "once more, alone: test_chance.py\n" in output
    assert output.endswith("alone\n  test_chance.py::test_fails_at_first\n")


def test_what_fails_twice_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {"test_bad.py": "def test_fails(): assert False"})
    assert main(tmp_path, workers=()) == 1
    output = capfd.readouterr().out
    assert output.count("1 failed") == 2
    assert "UNSTEADY" not in output


def test_many_failures_are_no_chance(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {f"test_{number}.py": "def test_fails(): assert False" for number in range(MOST + 1)})
    assert main(tmp_path, workers=()) == 1
    assert "once more" not in capfd.readouterr().out


def test_what_cannot_be_collected_fails(tmp_path: Path) -> None:
    fill(tmp_path, {"test_broken.py": "import nothing_of_that_name"})
    assert main(tmp_path, workers=()) == pytest.ExitCode.INTERRUPTED


def test_what_failed_at_another_time_is_forgotten(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {"test_gone.py": "def test_fails(): assert False", "test_good.py": "def test_passes(): pass"})
    subprocess.call([sys.executable, "-m", "pytest", "-q"], cwd=tmp_path)
    (tmp_path / "test_gone.py").unlink()
    fill(tmp_path, {"test_bad.py": "def test_fails(): assert False"})
    assert main(tmp_path, workers=()) == 1
    assert "once more, alone: test_bad.py" in capfd.readouterr().out


def fill(folder: Path, files: dict[str, str]) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (folder / name).write_text(text)
