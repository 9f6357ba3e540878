"""Who hears what in which order: blind, every system as often in every place and after every other."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

REPEATED = 2  # items that every rater hears twice, to learn how steady the rater is
APART = 3  # trials at least between the two


class Item(NamedTuple):
    """What is judged in one trial: one sound of a clip, or two that are compared."""

    clip: str
    conditions: tuple[str, ...]


class Trial(NamedTuple):
    """One question to one rater."""

    item: Item
    swapped: bool  # whether the second of two is heard first


def balanced_rows(count: int) -> list[list[int]]:
    """Orders of `count` things: each once at every place, and each after each other equally often (Williams 1949).

    `count` orders for even numbers, twice as many for odd ones.
    """
    first = [0]
    for step in range(1, count):
        first.append((first[-1] + (step if step % 2 else -step)) % count)
    rows = [[(thing + shift) % count for thing in first] for shift in range(count)]
    return rows if count % 2 == 0 else [*rows, *(row[::-1] for row in rows)]


def opinion_items(clips: Sequence[str], conditions: Sequence[str]) -> list[Item]:
    return [Item(clip, (condition,)) for clip in clips for condition in conditions]


def pair_items(clips: Sequence[str], conditions: Sequence[str]) -> list[Item]:
    return [Item(clip, pair) for clip in clips for pair in combinations(conditions, 2)]


def orders(
    clips: Sequence[str],
    conditions: Sequence[str],
    *,
    raters: int,
    pairs: bool,
    clips_per_rater: int | None = None,
    seed: int = 0,
) -> list[list[Trial]]:
    """Every rater's trials: clip after clip in an order of their own, the conditions of a clip in a balanced one.

    With fewer `clips_per_rater` than clips, raters take turns so that all clips are heard about equally often.
    """
    make = pair_items if pairs else opinion_items
    rows = balanced_rows(len(make(clips[:1], conditions)))
    share = min(clips_per_rater or len(clips), len(clips))
    found = []
    for rater in range(raters):
        rng = np.random.default_rng((seed, rater))
        own = [(rater * share + k) % len(clips) for k in range(share)]
        trials = []
        for number in rng.permutation(own):
            items = make([clips[number]], conditions)
            row = rows[(rater + int(number)) % len(rows)]
            swapped = [pairs and (rater + int(number) + thing) % 2 == 1 for thing in range(len(items))]
            trials += [Trial(items[thing], swapped[thing]) for thing in row]
        found.append(with_repeats(trials, rng))
    return found


def with_repeats(trials: list[Trial], rng: np.random.Generator) -> list[Trial]:
    """Two of the earlier trials come once more, well after they first came; not if there are too few."""
    candidates = trials[: len(trials) - APART]
    if len(candidates) < REPEATED:
        return trials
    chosen = [candidates[int(i)] for i in rng.choice(len(candidates), REPEATED, replace=False)]
    return [*trials, *chosen]
