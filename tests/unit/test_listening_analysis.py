"""The analysis of answers recovers what was planted in simulated raters, and leaves out those who did not listen."""

import csv
from pathlib import Path

import numpy as np
import pytest

from prismaudio.evaluation.listening.analysis import analyse
from prismaudio.evaluation.listening.make import Key, KeyItem, ListeningConfig
from prismaudio.evaluation.listening.ratings import BadRatings, Rating, read_ratings, screen
from prismaudio.evaluation.listening.statistics import bradley_terry, krippendorff_alpha, resample_both

PLANTED = {"ours": 3.9, "theirs": 3.2, "reference": 4.5, "anchor": 1.6}
CLIPS = [f"c{n:02}" for n in range(16)]


def key(kind: str = "mos-q") -> Key:
    items = {
        f"{clip}-{condition}": KeyItem(clip=clip, conditions=(condition,), loudness=(-23,), true_peak=(-3,))
        for clip in CLIPS
        for condition in PLANTED
    }
    return Key(test="t", kind=kind, conditions=tuple(PLANTED), items=items, settings=ListeningConfig())


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def simulated(raters: int, seed: int = 0) -> list[Rating]:
    """Raters and clips have biases of their own; opinions are rounded to 1 .. 5."""
    rng = np.random.default_rng(seed)
    clip_bias = dict(zip(CLIPS, centred(rng.normal(0, 0.3, len(CLIPS))), strict=True))
    found = []
    for rater, bias in enumerate(centred(rng.normal(0, 0.3, raters))):
        for clip in CLIPS:
            for condition, mean in PLANTED.items():
                heard = mean + bias + clip_bias[clip] + rng.normal(0, 0.5)
                score = float(np.clip(np.rint(heard), 1, 5))
                found.append(Rating(str(rater), clip, (condition,), score, repeat=False))
    return found


def test_planted_means_are_recovered_within_their_intervals() -> None:
    result = analyse(simulated(20), key(), baseline="theirs", rounds=1000)
    for condition in result.conditions:
        assert condition.value == pytest.approx(PLANTED[condition.name], abs=0.15)
        assert condition.low < condition.value < condition.high
        assert 0.1 < condition.high - condition.low < 0.8
    ours = result.conditions[0]
    assert ours.difference == pytest.approx(0.7, abs=0.15)
    assert ours.p <= ours.p_holm < 0.05
    assert result.conditions[1].p is None
    assert 0.5 < result.alpha < 1
    assert (result.raters, result.clips) == (20, 16)


def test_intervals_of_means_cover_the_truth_where_raters_and_clips_both_vary() -> None:
    """Answers without rounding; an interval over answers alone would be far too narrow here."""
    covered, narrow = 0, 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        effects = rng.normal(0, 1, 12)[:, None] + rng.normal(0, 1, 12)[None] + rng.normal(0, 1, (12, 12))
        raters, clips = np.repeat(np.arange(12), 12).astype(str), np.tile(np.arange(12), 12).astype(str)
        draws = resample_both(list(raters), list(clips), rounds=300, seed=trial).means(
            effects.ravel(), np.ones(144, bool)
        )
        low, high = np.nanquantile(draws, [0.025, 0.975])
        covered += low <= 0 <= high
        narrow += abs(effects.mean()) <= 1.96 * effects.std() / 12
    assert covered >= 52
    assert narrow < covered


def test_a_rater_who_prefers_the_anchor_or_contradicts_themselves_is_left_out() -> None:
    ratings = simulated(4)
    deaf = {"1": "anchor above reference"}
    exchange = {"reference": "anchor", "anchor": "reference"}
    ratings = [
        r._replace(conditions=(exchange.get(r.conditions[0], r.conditions[0]),)) if r.rater in deaf else r
        for r in ratings
    ]
    ratings += [
        Rating("2", "c00", ("ours",), 1.0 if ratings[0].score > 2 else 5.0, repeat=True),
        Rating("3", "c00", ("ours",), next(r.score for r in ratings if r.rater == "3"), repeat=True),
    ]
    screened = screen(ratings)
    assert "anchor above reference on" in screened.excluded["1"]
    assert "differ by" in screened.excluded["2"]
    assert set(screened.excluded) == {"1", "2"}
    assert len(screened.ratings) == 2 * len(CLIPS) * len(PLANTED)  # repeats judge raters, not systems


def test_krippendorff_alpha_is_that_of_the_textbook() -> None:
    """Krippendorff (2011), example C: four observers, twelve units, missing answers; ordinal alpha 0.815."""
    text = """1 2 3 3 2 1 4 1 2 . . .
              1 2 3 3 2 2 4 1 2 5 . 3
              . 3 3 3 2 3 4 2 2 5 1 .
              1 2 3 3 2 4 4 1 2 5 1 ."""
    rows = [[np.nan if c == "." else float(c) for c in line.split()] for line in text.splitlines()]
    assert krippendorff_alpha(np.array(rows)) == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(np.tile([1.0, 2, 3, 4], (3, 1))) == 1
    assert np.isnan(krippendorff_alpha(np.ones((3, 4))))
    chance = np.random.default_rng(0).integers(1, 6, (20, 200)).astype(float)
    assert abs(krippendorff_alpha(chance)) < 0.02


def test_bradley_terry_recovers_planted_strengths_and_stays_finite() -> None:
    planted = np.array([0.8, 0.0, -0.8])
    chance = 1 / (1 + np.exp(planted[None] - planted[:, None]))
    wins = 10_000 * chance * (1 - np.eye(3))
    np.testing.assert_allclose(bradley_terry(wins), planted, atol=1e-3)
    always = bradley_terry(np.array([[0.0, 20], [0, 0]]))
    assert 1.5 < always[0] < 10


def test_preferences_of_simulated_raters_rank_the_systems() -> None:
    names = ("good", "middling", "bad")
    strength = dict(zip(names, (1.0, 0.0, -1.0), strict=True))
    pairs = [("good", "middling"), ("good", "bad"), ("middling", "bad")]
    items = {
        f"{clip}-{a}-{b}": KeyItem(clip=clip, conditions=(a, b), loudness=(-23, -23), true_peak=(-3, -3))
        for clip in CLIPS
        for a, b in pairs
    }
    secret = Key(test="t", kind="ab", conditions=names, items=items, settings=ListeningConfig(kind="ab"))
    rng = np.random.default_rng(0)
    ratings = [
        Rating(
            str(rater), clip, (a, b), float(rng.random() < 1 / (1 + np.exp(strength[b] - strength[a]))), False
        )
        for rater in range(15)
        for clip in CLIPS
        for a, b in pairs
    ]
    result = analyse(ratings, secret, baseline="middling", rounds=100)
    for condition in result.conditions:
        assert condition.value == pytest.approx(strength[condition.name], abs=0.3)
    assert result.conditions[0].p < 0.05
    assert result.alpha is None
    assert "log strength" in result.markdown()


def write_answers(path: Path, rater: str, rows: list[tuple[str, object]], test: str = "t") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["test", "rater", "trial", "item", "swapped", "score", "plays", "seconds", "headphones"]
        )
        for trial, (item, score) in enumerate(rows, start=1):
            writer.writerow([test, rater, trial, item, "false", score, 1, 3.2, "passed"])
    return path


def test_answers_are_read_with_their_repeats_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    good = write_answers(tmp_path / "1.csv", "1", [("c00-ours", 4), ("c00-anchor", 1), ("c00-ours", 5)])
    found = read_ratings([good], key())
    assert [r.repeat for r in found] == [False, False, True]
    assert found[0] == Rating("1", "c00", ("ours",), 4, False)
    for rows, test, problem in (
        ([("c00-ours", 6)], "t", "cannot be given"),
        ([("c00-ours", 2.5)], "t", "cannot be given"),
        ([("c00-ours", "")], "t", "no answer"),
        ([("nothing", 3)], "t", "another test"),
        ([("c00-ours", 3)], "u", "another test"),
    ):
        with pytest.raises(BadRatings, match=problem):
            read_ratings([write_answers(tmp_path / "bad.csv", "9", rows, test)], key())
    with pytest.raises(BadRatings, match="in another file"):
        read_ratings([good, write_answers(tmp_path / "2.csv", "1", [("c00-ours", 3)])], key())


def test_tables_say_what_stands_behind_the_numbers() -> None:
    result = analyse(simulated(6), key(), baseline="theirs", rounds=200)
    markdown, latex = result.markdown(), result.latex()
    assert markdown.startswith("| condition | MOS-Q | 95 % CI | SD | answers | minus theirs | p | p (Holm) |")
    assert "6 raters, 16 clips" in markdown
    assert "Krippendorff" in markdown
    assert latex.count(r"\\") == 5
    assert "95 \\% CI" in latex
    with pytest.raises(BadRatings, match="no condition 'nobody'"):
        analyse(simulated(2), key(), baseline="nobody")
