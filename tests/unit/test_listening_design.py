"""Orders of a listening test are balanced and blind; what comes twice comes late."""

from collections import Counter
from itertools import pairwise

import pytest

from prismaudio.evaluation.listening.design import APART, REPEATED, balanced_rows, orders


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_every_thing_is_at_every_place_and_after_every_other_equally_often(count: int) -> None:
    rows = balanced_rows(count)
    places = Counter((place, thing) for row in rows for place, thing in enumerate(row))
    assert set(places.values()) == {len(rows) // count}
    assert len(places) == count**2
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(set(follows.values())) == 1
    assert len(follows) == count * (count - 1)


def test_raters_together_hear_every_system_of_a_clip_equally_often_first() -> None:
    clips, conditions = [f"c{n}" for n in range(6)], ["a", "b", "reference", "anchor"]
    plan = orders(clips, conditions, raters=8, pairs=False)
    firsts = Counter()
    for trials in plan:
        own = trials[: len(clips) * len(conditions)]
        assert Counter(t.item for t in own) == Counter({t.item: 1 for t in own})
        assert len(own) == 24
        for clip in clips:
            firsts[clip, next(t.item.conditions[0] for t in own if t.item.clip == clip)] += 1
    assert set(firsts.values()) == {2}
    assert len(firsts) == 24


def test_two_items_come_twice_and_not_soon() -> None:
    for trials in orders(["x", "y", "z"], ["a", "b", "c"], raters=5, pairs=False):
        again = [item for item, count in Counter(t.item for t in trials).items() if count == 2]
        assert len(again) == REPEATED
        for item in again:
            first, second = (n for n, t in enumerate(trials) if t.item == item)
            assert second - first >= APART


def test_pairs_are_heard_in_both_orders() -> None:
    plan = orders(["x", "y"], ["a", "b", "c"], raters=4, pairs=True)
    swaps = Counter((t.item, t.swapped) for trials in plan for t in trials[:6])
    assert set(swaps.values()) == {2}
    assert len(swaps) == 2 * 3 * 2


def test_raters_share_many_clips_evenly_and_the_seed_decides() -> None:
    clips = [f"c{n}" for n in range(6)]
    plan = orders(clips, ["a", "b"], raters=6, pairs=False, clips_per_rater=2, seed=3)
    heard = Counter(clip for trials in plan for clip in {t.item.clip for t in trials})
    assert set(heard.values()) == {2}
    assert plan == orders(clips, ["a", "b"], raters=6, pairs=False, clips_per_rater=2, seed=3)
    assert plan != orders(clips, ["a", "b"], raters=6, pairs=False, clips_per_rater=2, seed=4)
