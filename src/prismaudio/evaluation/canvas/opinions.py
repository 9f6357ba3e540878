"""Opinions of raters as columns: answers to the pages of `prismaudio listen`, analysed there, shown here by group."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.canvas.columns import MOS
from prismaudio.evaluation.listening.analysis import ListeningResult, analyse
from prismaudio.evaluation.listening.make import Key
from prismaudio.evaluation.listening.ratings import Rating, read_ratings
from prismaudio.evaluation.suite.report import Figure

KEY = "key.json"


class NoOpinions(PrismAudioError):
    """A folder that holds no answers, or answers to another question."""


class Opinions(NamedTuple):
    """One listening test with its answers."""

    column: str  # MOS-Q or MOS-C
    key: Key
    ratings: list[Rating]

    def figures(self, clips: Collection[str], seed: int) -> dict[str, Figure]:
        """condition -> mean opinion of the clips that were rated; none if none of them was."""
        own = [rating for rating in self.ratings if rating.clip in clips]
        if not own:
            return {}
        try:
            found = analyse(own, self.key, seed=seed)
        except PrismAudioError as problem:
            return {name: Figure(reason=str(problem)) for name in self.key.conditions}
        return {c.name: _figure(c.value, c.low, c.high, found) for c in found.conditions}


def _figure(value: float, low: float, high: float, found: ListeningResult) -> Figure:
    return Figure(
        value=value, low=low, high=high, clips=found.clips, unit="1 to 5", better="higher",
        note=f"{found.raters} raters",
    )  # fmt: skip


def read_opinions(folders: Sequence[Path]) -> dict[str, Opinions]:
    """column -> test. A folder is one that `listen make` wrote, with the .csv files that raters sent back put into it."""
    found: dict[str, Opinions] = {}
    for folder in folders:
        key = Key.load(folder / KEY)
        if key.kind not in MOS:
            raise NoOpinions(f"{folder} asks which of two is preferred; a table needs mos-q or mos-c")
        column = MOS[key.kind]
        if column in found:
            raise NoOpinions(f"two folders hold answers for {column}; give one")
        found[column] = Opinions(column, key, read_ratings(sorted(folder.glob("*.csv")), key))
    return found


def unknown_systems(opinions: Mapping[str, Opinions], systems: Collection[str]) -> list[str]:
    """Columns in whose tests none of the systems was heard: mostly a system that goes by another name."""
    return [name for name, test in opinions.items() if not set(test.key.conditions) & set(systems)]
