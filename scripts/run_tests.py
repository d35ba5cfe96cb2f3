"""Runs every test; the files of those that failed run once more, alone, and who passes only there is named.

Two workers share two cores with Chromium, PostgreSQL and a few kernels, and a test that waited for the wrong thing can
lose. It is a bug of the test or of what it tests, and the log says so; it is no reason to call a change bad.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKERS = ("-n", "2", "--dist", "loadfile")
MOST = 3
"""Files that chance may have met in one run. More of them have failed for a reason."""


def main(root: Path = ROOT, workers: Sequence[str] = WORKERS) -> int:
    """Run all tests of a checkout; the exit code, 0 when each has passed."""
    cache = root / ".pytest_cache" / "v" / "cache" / "lastfailed"
    cache.unlink(missing_ok=True)
    code = run(root, *workers)
    if code != pytest.ExitCode.TESTS_FAILED or not cache.exists():
        return code
    failed = sorted(json.loads(cache.read_text()))
    files = sorted({name.partition("::")[0] for name in failed})
    if len(files) > MOST:
        return code
    print("== once more, alone:", *files, flush=True)
    code = run(root, *files)
    if code == pytest.ExitCode.OK:
        print("UNSTEADY, to be mended: failed beside other tests, and passed alone", *failed, sep="\n  ")
    return code


def run(root: Path, *arguments: str) -> int:
    """Run pytest in a process of its own; its exit code."""
    return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=root)


if __name__ == "__main__":
    sys.exit(main())
