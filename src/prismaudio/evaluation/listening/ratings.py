"""What raters sent back: read, put beside the key, and the raters left out who could not or would not listen."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.listening.make import Key, Kind
from prismaudio.evaluation.listening.stimuli import ANCHOR, REFERENCE

MOST_REVERSED = 0.2  # of the clips on which a rater may prefer the anchor to the reference (fixed beforehand)
MOST_UNSTEADY = 1.0  # mean absolute difference between the two answers to the same item
SCORES: dict[Kind, tuple[float, ...]] = {
    "mos-q": (1, 2, 3, 4, 5),
    "mos-c": (1, 2, 3, 4, 5),
    "ab": (0, 0.5, 1),
}


class BadRatings(PrismAudioError):
    """Answers that do not belong to this test, or are damaged."""


class Rating(NamedTuple):
    """One answer. For pairs the score is that of the first condition: 1 preferred, 0 not, 0.5 neither."""

    rater: str
    clip: str
    conditions: tuple[str, ...]
    score: float
    repeat: bool  # whether the rater had judged the same before


class Screened(NamedTuple):
    """Answers that count, once each, and why others do not."""

    ratings: list[Rating]
    excluded: dict[str, str]  # rater -> why


def read_ratings(paths: Iterable[Path], key: Key) -> list[Rating]:
    """All answers, in the order of raters and trials; every line must belong to the test."""
    found: list[Rating] = []
    seen: set[str] = set()
    for path in sorted(paths):
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [*csv.DictReader(file)]
        except (OSError, UnicodeDecodeError) as error:
            raise BadRatings(f"cannot read {path}: {error}; give the .csv files of raters") from error
        raters = {row.get("rater") or "" for row in rows}
        if again := raters & seen:
            raise BadRatings(f"{path} holds answers of rater {min(again)}, who is in another file; keep one")
        seen |= raters
        found += _ratings(path, rows, key)
    if not found:
        raise BadRatings("no answers; give the .csv files that raters downloaded")
    return found


def _ratings(path: Path, rows: Sequence[dict[str, str]], key: Key) -> list[Rating]:
    before: set[tuple[str, str]] = set()
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            test, rater, item, score = row["test"], row["rater"], row["item"], float(row["score"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadRatings(f"{path} line {number} is no answer ({error}); ask the rater again") from error
        if test != key.test or item not in key.items:
            raise BadRatings(
                f"{path} line {number} belongs to another test; give this test's key and answers"
            )
        if score not in SCORES[key.kind]:
            raise BadRatings(f"{path} line {number}: a score of {score:g} cannot be given in this test")
        what = key.items[item]
        found.append(Rating(rater, what.clip, what.conditions, score, (rater, item) in before))
        before.add((rater, item))
    return found


def screen(ratings: Sequence[Rating]) -> Screened:
    """Leave out raters by the rule above; of answers to the same item the first counts."""
    by_rater: dict[str, list[Rating]] = defaultdict(list)
    for rating in ratings:
        by_rater[rating.rater].append(rating)
    excluded = {rater: reason for rater, own in by_rater.items() if (reason := why_excluded(own))}
    return Screened([r for r in ratings if r.rater not in excluded and not r.repeat], excluded)


def why_excluded(own: Sequence[Rating]) -> str:
    """Empty for a rater to be believed."""
    first = {(rating.clip, rating.conditions): rating.score for rating in own if not rating.repeat}
    clips = {clip for clip, _ in first}
    both = [c for c in clips if (c, (ANCHOR,)) in first and (c, (REFERENCE,)) in first]
    reversed_ = sum(first[c, (ANCHOR,)] > first[c, (REFERENCE,)] for c in both)
    if both and reversed_ > MOST_REVERSED * len(both):
        return f"anchor above reference on {reversed_} of {len(both)} clips"
    again = [abs(r.score - first[r.clip, r.conditions]) for r in own if r.repeat]
    if again and np.mean(again) > MOST_UNSTEADY:
        return f"answers to the same item differ by {np.mean(again):.1f} on average"
    return ""
