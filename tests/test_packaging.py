"""What a user gets: the wheel's content, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HEAVY = ("pandas", "pyarrow", "numpy", "duckdb", "IPython", "ipywidgets", "anywidget")


def run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", folder, root)
    (wheel,) = folder.glob("convex_nb-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds the wheel and nothing else, not even its dependencies."""
    environment = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", environment)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    run(python, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", wheel)
    return python


def test_the_wheel_holds_everything_that_the_package_reads(wheel: Path, root: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(root).as_posix()
        for path in (root / "convex_nb").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == sources
    assert "convex_nb/py.typed" in packed
    assert {Path(name).suffix for name in packed if "/static/" in name} == {".js", ".css"}


def test_the_licence_goes_with_the_wheel(wheel: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_the_package_imports_with_no_dependency_installed(installed: Path) -> None:
    assert run(installed, "-I", "-c", "import convex_nb; print(convex_nb.__version__)").strip()


def test_python_m_says_the_version_and_the_two_commands(installed: Path) -> None:
    said = run(installed, "-I", "-m", "convex_nb")
    version = run(installed, "-I", "-c", "import convex_nb; print(convex_nb.__version__)").strip()
    assert version in said
    assert "make demo" in said
    assert "make lab" in said


def test_importing_the_package_is_light() -> None:
    code = f"import sys, convex_nb; print(*[name for name in {HEAVY} if name in sys.modules])"
    assert run(sys.executable, "-c", code).strip() == ""


def test_every_public_name_is_there() -> None:
    code = "import convex_nb; print(*[name for name in convex_nb.__all__ if getattr(convex_nb, name, None) is None])"
    assert run(sys.executable, "-c", code).strip() == ""
