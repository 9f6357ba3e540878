"""The embedded planner: peaks become hits, places become events, and on held-out films it finds most strikes."""

import numpy as np
import pytest

from prismaudio.backends.embedded.motion import COLUMNS
from prismaudio.evaluation.metrics.onsets import Matches, onset_f1
from prismaudio.generation.embedded import EmbeddedModel
from prismaudio.generation.loading import load_embedded
from prismaudio.generation.pictures import FramesFilm
from prismaudio.generation.watch import Seen, watch
from prismaudio.planning.embedded import (
    FPS,
    Track,
    gather_activity,
    gather_hits,
    merge_same,
    write_plan,
)
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.render import render
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.types import Frames


def bumps(*hits: tuple[float, int], frames: int = 100) -> np.ndarray:
    """(frames, columns): a smooth bump of probability at each (second, column)."""
    grid = np.zeros((frames, COLUMNS), dtype=np.float32)
    times = np.arange(frames) / FPS
    for second, column in hits:
        grid[:, column] = np.maximum(grid[:, column], np.exp(-0.5 * ((times - second) * FPS / 0.8) ** 2))
    return grid


def test_a_peak_is_a_hit_at_its_instant_and_place() -> None:
    (track,) = gather_hits(bumps((1.013, 6)), 4.0)
    assert track.times == [pytest.approx(1.013, abs=0.01)]
    assert track.azimuths == [pytest.approx((6.5 / COLUMNS) * 2 - 1, abs=0.05)]


def test_hits_at_one_place_are_one_source_and_at_two_are_two() -> None:
    assert len(gather_hits(bumps((0.5, 1), (1.5, 1), (2.5, 2)), 4.0)) == 1
    assert len(gather_hits(bumps((0.5, 0), (1.5, 7)), 4.0)) == 2


def test_nothing_probable_is_no_hit() -> None:
    assert gather_hits(0.3 * bumps((1.0, 3)), 4.0) == []


def test_activity_has_a_start_and_an_end() -> None:
    grid = np.zeros((100, COLUMNS), dtype=np.float32)
    grid[25:75, 2] = 0.95
    (track,) = gather_activity(grid, 4.0)
    assert track.times[0] == pytest.approx(1.0, abs=0.2)
    assert track.end == pytest.approx(3.0, abs=0.2)


def test_a_flicker_is_no_continuous_sound() -> None:
    grid = np.zeros((100, COLUMNS), dtype=np.float32)
    grid[30:36, 2] = 1.0
    assert gather_activity(grid, 4.0) == []


def test_equal_names_that_strike_are_one_source_that_moved() -> None:
    merged = merge_same([(Track([2.0], [0.9], [1.0]), "dog", 0.5), (Track([1.0], [-0.9], [1.0]), "dog", 0.4)])
    assert len(merged) == 1
    assert merged[0][0].times == [1.0, 2.0]
    assert merged[0][0].azimuths == [-0.9, 0.9]


def test_a_written_plan_says_what_was_found() -> None:
    plan = write_plan([(Track([0.5, 1.0], [-0.8, -0.6], [0.9, 0.8]), "dog", 0.7)], 2.0)
    assert plan.semantic.events[0].label == "dog"
    assert plan.onsets() == [0.5, 1.0]
    assert plan.spatial.places[0].keys[0].azimuth == -0.8


@pytest.fixture(scope="module")
def model() -> EmbeddedModel:
    return load_embedded()


def looked_at(frames: Frames, model: EmbeddedModel) -> Seen:
    return watch(FramesFilm(frames), model.eyes, frames.duration, lambda share: None)


def test_most_strikes_of_held_out_films_are_found(model: EmbeddedModel) -> None:
    corpus, found = Corpus.load(), []
    for index in range(60, 90):
        scene = draw_scene(21, index, "test", corpus, StageConfig(shortest=2, longest=4, off_screen=0, cut=0))
        if len(found) == 5 or any(source.mode != "struck" for source in scene.sources):
            continue
        seen = looked_at(render(scene, 320, 224), model)
        plan = model.measure(seen, scene.duration).plan
        found.append(onset_f1(plan.onsets(), scene.plan(corpus).onsets()))
    assert len(found) == 5
    assert Matches.pooled(found).f1 > 0.6


def test_a_still_picture_makes_no_strike(model: EmbeddedModel) -> None:
    still = Frames(np.full((50, 224, 320, 3), 90, dtype=np.uint8), 25.0)
    seen = looked_at(still, model)
    plan = model.measure(seen, 2.0).plan
    assert not any(span.hits for span in plan.temporal.spans)
