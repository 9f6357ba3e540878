"""From answers to a table that can be printed: means with two-way intervals, agreement, tests against a baseline.

Shapes: N ratings, R rounds, C conditions.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prismaudio.config import Config
from prismaudio.evaluation.listening.make import Key
from prismaudio.evaluation.listening.ratings import BadRatings, Rating, screen
from prismaudio.evaluation.listening.statistics import (
    ROUNDS,
    Resampled,
    bradley_terry,
    krippendorff_alpha,
    resample_both,
)
from prismaudio.evaluation.metrics.paired import holm, two_sided

NAMES = {"mos-q": "MOS-Q", "mos-c": "MOS-C", "ab": "preference"}


class ConditionResult(Config):
    """One system, or a hidden stimulus."""

    name: str
    value: float  # mean opinion, or log strength
    low: float  # 95 % interval over raters and clips
    high: float
    deviation: float | None = None  # standard deviation of single answers
    ratings: int
    difference: float | None = None  # minus the baseline
    p: float | None = None  # of that, two-sided
    p_holm: float | None = None


class ListeningResult(Config):
    test: str
    kind: str
    baseline: str | None
    raters: int
    clips: int
    excluded: dict[str, str]
    alpha: float | None  # Krippendorff's, ordinal; of opinions only
    conditions: tuple[ConditionResult, ...]

    def rows(self) -> list[list[str]]:
        """A head and one row per condition, as words."""
        value = "log strength" if self.kind == "ab" else NAMES[self.kind]
        head = ["condition", value, "95 % CI", *["SD"] * (self.kind != "ab"), "answers"]
        head += [f"minus {self.baseline}", "p", "p (Holm)"] if self.baseline else []
        rows = [head]
        for c in self.conditions:
            row = [c.name, f"{c.value:.2f}", f"[{c.low:.2f}, {c.high:.2f}]"]
            row += [_number(c.deviation)] * (self.kind != "ab")
            row.append(str(c.ratings))
            if self.baseline:
                row += [_number(c.difference, "+.2f"), _number(c.p, ".4f"), _number(c.p_holm, ".4f")]
            rows.append(row)
        return rows

    def notes(self) -> list[str]:
        """How the numbers are to be read."""
        alpha = f" Krippendorff's alpha (ordinal) {self.alpha:.2f}." if self.alpha is not None else ""
        left_out = "".join(f" Rater {r} left out: {why}." for r, why in sorted(self.excluded.items()))
        return [
            f"{self.raters} raters, {self.clips} clips. CI is the 95 % interval of a bootstrap over raters and clips; "
            f"SD, where given, is that of single answers.{alpha}{left_out}"
        ]

    def markdown(self) -> str:
        head, *rows = self.rows()
        lines = [head, ["---"] * len(head), *rows]
        return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *self.notes(), ""])

    def latex(self) -> str:
        head, *rows = ([_tex(cell) for cell in row] for row in self.rows())
        body = [" & ".join(row) + r" \\" for row in rows]
        columns = "l" + "r" * (len(head) - 1)
        return "\n".join(
            [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule", *body,
             r"\bottomrule", r"\end{tabular}", *(f"% {note}" for note in self.notes()), ""]
        )  # fmt: skip


def analyse(
    ratings: Sequence[Rating], key: Key, baseline: str | None = None, rounds: int = ROUNDS, seed: int = 0
) -> ListeningResult:
    """`baseline` is the condition that the others are tested against."""
    if baseline is not None and baseline not in key.conditions:
        raise BadRatings(f"no condition {baseline!r} in this test; it has {', '.join(key.conditions)}")
    screened = screen(ratings)
    kept = screened.ratings
    if not kept:
        raise BadRatings("no rater is left after exclusion; the test must be repeated")
    resampled = resample_both([r.rater for r in kept], [r.clip for r in kept], rounds, seed)
    value, draws = (_strengths if key.kind == "ab" else _opinions)(kept, key.conditions, resampled)
    return ListeningResult(
        test=key.test,
        kind=key.kind,
        baseline=baseline,
        raters=len({r.rater for r in kept}),
        clips=len({r.clip for r in kept}),
        excluded=screened.excluded,
        alpha=None if key.kind == "ab" else _or_none(krippendorff_alpha(_answers(kept))),
        conditions=_results(kept, key, baseline, value, draws),
    )


def _opinions(
    ratings: Sequence[Rating], conditions: Sequence[str], resampled: Resampled
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean opinions (C,), and those of every round (R, C)."""
    scores = np.array([r.score for r in ratings])
    chosen = [np.array([r.conditions == (condition,) for r in ratings]) for condition in conditions]
    if empty := [c for c, own in zip(conditions, chosen, strict=True) if not own.any()]:
        raise BadRatings(f"nobody has judged {', '.join(empty)}; collect more answers")
    value = np.array([scores[own].mean() for own in chosen])
    return value, np.stack([resampled.means(scores, own) for own in chosen], axis=1)


def _strengths(
    ratings: Sequence[Rating], conditions: Sequence[str], resampled: Resampled
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log strengths (C,), and those of every round (R, C)."""
    numbers = {condition: number for number, condition in enumerate(conditions)}
    first, second = (np.array([numbers[r.conditions[side]] for r in ratings]) for side in (0, 1))
    scores = np.array([r.score for r in ratings])

    def strengths(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        wins = np.zeros((len(conditions), len(conditions)))
        np.add.at(wins, (first, second), weights * scores)
        np.add.at(wins, (second, first), weights * (1 - scores))
        return bradley_terry(wins)

    return strengths(np.ones(len(ratings))), np.stack([strengths(row) for row in resampled.weights])


def _results(
    ratings: Sequence[Rating],
    key: Key,
    baseline: str | None,
    value: NDArray[np.float64],
    draws: NDArray[np.float64],
) -> tuple[ConditionResult, ...]:
    base = key.conditions.index(baseline) if baseline is not None else None
    chances = [
        np.nan if base is None or number == base else _chance(draws[:, number] - draws[:, base])
        for number in range(len(key.conditions))
    ]
    results = []
    for number, (name, p, adjusted) in enumerate(zip(key.conditions, chances, holm(chances), strict=True)):
        low, high = np.nanquantile(draws[:, number], [0.025, 0.975])
        own = [r.score for r in ratings if name in r.conditions]
        tested = base is not None and number != base
        results.append(
            ConditionResult(
                name=name,
                value=float(value[number]),
                low=float(low),
                high=float(high),
                deviation=None if key.kind == "ab" else float(np.std(own, ddof=1)) if len(own) > 1 else 0.0,
                ratings=len(own),
                difference=float(value[number] - value[base]) if base is not None and tested else None,
                p=_or_none(p),
                p_holm=_or_none(adjusted),
            )
        )
    return tuple(results)


def _chance(differences: NDArray[np.float64]) -> float:
    return two_sided(differences[~np.isnan(differences)])


def _answers(ratings: Sequence[Rating]) -> NDArray[np.float64]:
    """(raters, items), nan where there is no answer."""
    raters = sorted({r.rater for r in ratings})
    items = sorted({(r.clip, r.conditions) for r in ratings})
    table = np.full((len(raters), len(items)), np.nan)
    for rating in ratings:
        place = raters.index(rating.rater), items.index((rating.clip, rating.conditions))
        table[place] = rating.score
    return table


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _number(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else format(value, form)


def _tex(text: str) -> str:
    return text.replace("\\", r"\textbackslash{}").translate({ord(c): f"\\{c}" for c in "&%$#_{}"})
