"""The track: the plan's numbers arrive on the right frames, and moving them moves the track."""

import numpy as np
import pytest
import torch

from prismaudio.backends.embedded.text import WordTable, split_thoughts
from prismaudio.data.features import SYNC_DIM, collate, describe
from prismaudio.data.track import TrackGrid, draw_plan, resample_motion
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought

GRID = TrackGrid.spanning(4.0)
LEFT, CENTRE, RIGHT = 1, 2, 3


def no_words(_: str) -> torch.Tensor:
    return torch.zeros(4)


def plan(
    hits: tuple[float, ...] = (1.0,), azimuth: float = -1.0, onset: float = 0.5, offset: float = 3.0
) -> Plan:
    start = min(onset, *hits) if hits else onset
    return Plan(
        duration=4.0,
        semantic=SemanticThought(events=(Event(id="a", sound="a drum"),)),
        temporal=TemporalThought(spans=(Span(event="a", onset=start, offset=offset, hits=hits),)),
        spatial=SpatialThought(places=(Place(event="a", keys=(Key(0.0, azimuth),)),)),
    )


def test_a_grid_spans_its_seconds_with_whole_segments() -> None:
    for seconds in (0.2, 0.64, 4.46, 9.01, 30.0):
        grid = TrackGrid.spanning(seconds)
        assert grid.frames % 8 == 0
        assert grid.frames >= 8
        assert grid.times()[-1] < seconds


@pytest.mark.parametrize("hit", [0.31, 1.0, 2.777])
def test_the_centre_of_mass_of_a_hit_is_its_instant(hit: float) -> None:
    impulses = draw_plan(plan((hit,), onset=hit), GRID, no_words, 4)[:, 0].numpy()
    assert impulses.sum() == pytest.approx(1.0)
    assert (impulses * GRID.times()).sum() == pytest.approx(hit, abs=1e-6)


def test_moving_a_hit_moves_the_track() -> None:
    early, late = (draw_plan(plan((hit,), onset=0.5), GRID, no_words, 4)[:, 0] for hit in (1.0, 1.5))
    assert int(late.argmax()) - int(early.argmax()) == round(0.5 * GRID.rate)


def test_swapping_left_and_right_swaps_their_channels() -> None:
    left, right = (draw_plan(plan(azimuth=azimuth), GRID, no_words, 4) for azimuth in (-0.7, 0.7))
    torch.testing.assert_close(left[:, LEFT], right[:, RIGHT])
    torch.testing.assert_close(left[:, CENTRE], right[:, CENTRE])
    assert left[:, RIGHT].abs().max() == 0


def test_a_sustained_sound_is_active_exactly_in_its_span() -> None:
    activity = draw_plan(plan(hits=(), onset=1.0, offset=2.5), GRID, no_words, 4)[:, 4].numpy()
    assert activity.sum() / GRID.rate == pytest.approx(1.5, abs=1e-5)
    assert activity[GRID.times() < 0.95].max() == 0


def test_words_stand_where_the_event_is_heard() -> None:
    track = draw_plan(plan(hits=(), onset=1.0, offset=2.0), GRID, WordTable().phrase, 256)[:, 12:]
    length = track.norm(dim=1).numpy()
    assert length[(GRID.times() > 1.1) & (GRID.times() < 1.9)].min() == pytest.approx(1.0, abs=1e-4)
    assert length[GRID.times() > 2.1].max() == 0


def test_motion_is_resampled_to_the_instants_of_the_grid() -> None:
    """Row k of the motion lies between frames k - 1 and k, at (k - 1/2) / 25 s."""
    ramp = ((torch.arange(101) - 0.5) / 25)[:, None]
    np.testing.assert_allclose(resample_motion(ramp, GRID)[:, 0].numpy(), GRID.times(), atol=0.021)
    np.testing.assert_allclose(resample_motion(ramp, GRID)[2:-2, 0].numpy(), GRID.times()[2:-2], atol=1e-5)


def test_missing_parts_are_zeros_and_a_batch_is_masked() -> None:
    words = WordTable()
    nothing = describe(4.0, None, None, None, words)
    assert nothing.sync.shape == (GRID.frames, SYNC_DIM)
    assert float(nothing.sync.abs().max()) == 0
    something = describe(4.0, plan(), torch.ones(16, 128), torch.zeros(101, 36), words)
    batch = collate([nothing, something])
    assert batch.video_mask is not None
    assert batch.video_mask.sum(dim=1).tolist() == [0, 16]
    assert batch.text_mask is not None
    assert int(batch.text_mask[0].sum()) == 0


def test_related_words_lie_nearer_than_unrelated_ones() -> None:
    phrase = WordTable().phrase
    dog, puppy, engine = (phrase(text) for text in ("a dog barking", "puppy", "car engine"))
    assert float(dog @ puppy) > float(dog @ engine) + 0.1


def test_tags_mark_the_thought_of_every_token() -> None:
    pairs = split_thoughts("<Semantic> a dog\n<Spatial> left")
    assert [thought for thought, _ in pairs] == ["semantic", "spatial"]
    rows = WordTable().encode("<Semantic> dog\n<Spatial> left")
    assert rows[0, -4:].tolist() == [1, 0, 0, 0]
    assert rows[-1, -4:].tolist() == [0, 0, 0, 1]
    assert WordTable().encode("plain words")[:, -4:].abs().max() == 0
