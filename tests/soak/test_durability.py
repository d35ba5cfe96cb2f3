"""The proofs of the durable file, at length. Kills and flipped bytes have theirs beside their short forms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.wal.growth import LIVE, SAMPLES

pytestmark = pytest.mark.soak


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own memory from /proc")
def test_a_million_commits_stay_as_large_as_what_is_alive(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.wal.growth", str(tmp_path / "a.convex"), "1000000"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=3000, cwd=root, check=False)
    assert process.returncode == 0, process.stderr
    seen: dict[str, Any] = json.loads(process.stdout)
    assert seen["same"]
    assert seen["checkpoints"] > 20
    assert LIVE * 0.8 < seen["live"][-1] < LIVE * 1.2
    early, late = slice(SAMPLES // 4, SAMPLES // 2), slice(SAMPLES * 3 // 4, None)
    # What is alive takes 5 MB; a log of 8 MB, the checkpoint before and the one being written come on top.
    assert max(seen["file"]) < 64 << 20, seen["file"]
    assert max(seen["sidecar"]) < 96 << 20, seen["sidecar"]
    for each in ("file", "memory"):
        assert max(seen[each][late]) < max(seen[each][early]) * 1.25, (each, seen[each])
