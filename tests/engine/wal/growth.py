"""A process that commits for long over a set of documents that stays the same size, and tells how large it became.

Run by ``tests/soak/test_durability.py``; prints what it saw as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import convex_nb
from convex_nb.engine.wal.disk import sidecar, size_of_file
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v

LIVE = 20_000
SCHEMA = define_schema({"items": define_table({"key": v.number(), "text": v.string()}).index("by_key", ["key"])})
SAMPLES = 100


def resident_bytes() -> int:
    """The memory of this process that is in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Workload:
    """Commits of one write each: as many documents are inserted as are deleted, and half of all writes are updates."""

    def __init__(self, dep: convex_nb.Deployment) -> None:
        self._dep = dep
        self._chance = random.Random(1)
        self._ids: list[str] = []
        self._keys: list[int] = []
        self._next = 0
        self.values: dict[int, str] = {}

    def commit(self) -> None:
        """One commit."""
        chance = self._chance
        text = f"{chance.getrandbits(600):x}"
        place = chance.randrange(len(self._ids)) if self._ids else 0
        if chance.random() < 0.5 and self._ids:
            self._dep.transact(lambda db: db.patch(self._ids[place], {"text": text}))
            self.values[self._keys[place]] = text
        elif chance.random() * LIVE * 2 >= len(self._ids):
            key = self._next
            self._next += 1
            self._ids.append(self._dep.transact(lambda db: db.insert("items", {"key": key, "text": text})))
            self._keys.append(key)
            self.values[key] = text
        else:
            self._dep.transact(lambda db: db.delete(self._ids[place]))
            del self.values[self._keys[place]]
            self._ids[place], self._keys[place] = self._ids[-1], self._keys[-1]
            self._ids.pop()
            self._keys.pop()


def main(path: Path, commits: int) -> dict[str, Any]:
    """Commit; the sizes that were seen on the way."""
    seen: dict[str, list[int]] = {"file": [], "sidecar": [], "memory": [], "live": [], "log": [], "segments": []}
    with convex_nb.open(path, durability="relaxed", retention=timedelta(seconds=1)) as dep:
        dep.push(SCHEMA)
        workload = Workload(dep)
        for number in range(1, commits + 1):
            workload.commit()
            if number % (commits // SAMPLES) == 0:
                figures = dep.statistics().database
                assert figures.storage is not None
                seen["file"].append(size_of_file(path))
                seen["sidecar"].append(size_of_file(sidecar(path)))
                seen["memory"].append(resident_bytes())
                seen["live"].append(len(workload.values))
                seen["log"].append(figures.storage.logged)
                seen["segments"].append(figures.tables["items"].segments)
        dep.check()
        storage = dep.statistics().database.storage
        assert storage is not None
    with convex_nb.open(path) as dep:
        rows = dep.table("items").arrow().select(["key", "text"]).to_pylist()
        found = {row["key"]: row["text"] for row in rows}
    return {"same": found == workload.values, "checkpoints": storage.checkpoints, **seen}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
