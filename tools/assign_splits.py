"""Assign every recording and sprite of the corpus to train, validation or test, once, by a hash of its name.

Run after the corpus gained files: names already in splits.csv keep their split, so nothing held out is ever trained on.

    python tools/assign_splits.py corpus
"""

import csv
import hashlib
import sys
from collections import defaultdict
from pathlib import Path

HELD_OUT = 0.1  # share of names in test, and again in validation
SMALLEST_CLASS = 3  # a class with fewer files is not held out from: there would be nothing to learn it from


def rank(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def split_class(names: list[str]) -> dict[str, str]:
    """Every name of one class -> its split; at least one in test, and one in validation from five files on."""
    if len(names) < SMALLEST_CLASS:
        return dict.fromkeys(names, "train")
    ordered = sorted(names, key=rank)
    tested = max(1, sum(rank(name) < HELD_OUT for name in names))
    validated = max(int(len(names) >= 5), sum(HELD_OUT <= rank(name) < 2 * HELD_OUT for name in names))
    tested = min(tested, len(names) - 1)
    validated = min(validated, len(names) - tested - 1)
    return {
        name: "test" if i < tested else "validation" if i < tested + validated else "train"
        for i, name in enumerate(ordered)
    }


def main(folder: Path) -> None:
    table = folder / "splits.csv"
    known = {row["file"]: row["split"] for row in _rows(table)} if table.exists() else {}
    splits: dict[str, str] = {}
    for kind in ("sounds", "sprites"):
        classes: dict[str, list[str]] = defaultdict(list)
        for row in _rows(folder / f"{kind}.csv"):
            classes[row["class"]].append(f"{kind}/{row['file']}")
        for names in classes.values():
            splits.update(split_class(names))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "split"))
        writer.writerows((name, known.get(name, split)) for name, split in sorted(splits.items()))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
