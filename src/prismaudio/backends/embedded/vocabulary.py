"""The sounds the embedded model has names for: the classes of the corpus it was trained on, in a fixed order."""

import csv
from importlib.resources import files
from typing import NamedTuple


class Word(NamedTuple):
    """One class of sound."""

    name: str  # "dog"
    words: str  # "a dog barking"
    mode: str  # "struck", "call" or "sustained"


def _read() -> tuple[Word, ...]:
    table = files("prismaudio") / "assets" / "classes.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return tuple(Word(row["class"], row["words"], row["mode"]) for row in rows)


VOCABULARY = _read()
