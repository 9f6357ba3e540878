"""The stage: scenes are values, and picture, sound and plan tell the same story."""

from dataclasses import replace

import numpy as np
import pytest

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import UnknownChoice
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, read_sound, read_sprite
from prismaudio.stage.mix import looped, mix, pan
from prismaudio.stage.motion import pose
from prismaudio.stage.render import FPS, render
from prismaudio.stage.scene import GESTURES, NothingToDraw, Path, Scene, Source, StageConfig, draw_scene

SHORT = StageConfig(shortest=2.0, longest=3.0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


def struck(corpus: Corpus, hits: tuple[float, ...], x: float = 0.0, gesture: str = "hop") -> Source:
    recording = corpus.recordings_of("hammer", "train")[0]
    return Source(
        id="s1",
        class_name="hammer",
        mode="struck",
        words="a hammer striking",
        recordings=(recording,) * len(hits),
        hits=hits,
        strengths=(1.0,) * len(hits),
        span=(hits[0], hits[-1] + 0.4),
        path=Path((x, 0.2, 0.5), (x, 0.2, 0.5), 3.0),
        gain_db=0.0,
        speed=1.0,
        sprite=corpus.sprites_of("hammer", "train")[0],
        gesture=gesture,  # type: ignore[arg-type]
    )


def alone(source: Source, duration: float = 3.0) -> Scene:
    return Scene(
        duration=duration,
        sources=(source,),
        distractors=(),
        ambience=(),
        ambience_db=-30.0,
        quality=1.0,
        flaws=(),
        room="dry",
        loudness="balanced",
        cut_at=None,
        noise_seed=1,
    )


def test_equal_numbers_make_equal_scenes(corpus: Corpus) -> None:
    first, again = (draw_scene(3, 14, "train", corpus, SHORT) for _ in range(2))
    assert first == again
    np.testing.assert_array_equal(mix(first), mix(again))
    np.testing.assert_array_equal(render(first).images, render(again).images)


def test_another_index_makes_another_scene(corpus: Corpus) -> None:
    assert draw_scene(3, 14, "train", corpus, SHORT) != draw_scene(3, 15, "train", corpus, SHORT)


def test_another_take_keeps_the_performance_but_not_the_recordings(corpus: Corpus) -> None:
    one, two = (draw_scene(3, 5, "train", corpus, SHORT, take=take) for take in (0, 1))
    assert one.plan(corpus).onsets() == two.plan(corpus).onsets()
    assert not np.array_equal(mix(one), mix(two))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_scene_uses_only_what_its_split_holds(corpus: Corpus, split: str) -> None:
    for index in range(25):
        scene = draw_scene(1, index, split, corpus, SHORT)  # type: ignore[arg-type]
        for source in (*scene.sources, *scene.distractors):
            assert all(recording.split == split for recording in source.recordings)
            assert source.sprite is None or source.sprite.split == split
        assert all(recording.split == split for recording in scene.ambience)


def test_a_stage_of_few_classes_sounds_of_no_others(corpus: Corpus) -> None:
    few = StageConfig(classes=("cow", "footsteps"), off_screen=0.5)
    scenes = [draw_scene(1, number, "test", corpus, few) for number in range(20)]
    heard = [recording for scene in scenes for source in scene.sources for recording in source.recordings]
    assert {recording.class_name for recording in heard} == {"cow", "footsteps"}
    assert not any(scene.ambience for scene in scenes)  # neither lies under others
    with pytest.raises(UnknownChoice, match="moo"):
        draw_scene(1, 0, "test", corpus, StageConfig(classes=("moo",)))
    with pytest.raises(NothingToDraw, match="a picture in the split test"):
        draw_scene(1, 0, "test", corpus, StageConfig(classes=("wood_impact",), off_screen=0))


def test_no_recording_and_no_sprite_is_in_two_splits(corpus: Corpus) -> None:
    assert len({r.path for r in corpus.recordings}) == len(corpus.recordings)
    assert len({s.path for s in corpus.sprites}) == len(corpus.sprites)


def test_sound_and_picture_are_as_long_as_the_scene(corpus: Corpus) -> None:
    for index in range(10):
        scene = draw_scene(2, index, "train", corpus, SHORT)
        assert mix(scene).shape == (2, round(scene.duration * SAMPLE_RATE))
        assert len(render(scene).images) == round(scene.duration * FPS)
        assert np.isfinite(mix(scene)).all()
        assert np.abs(mix(scene)).max() <= 1


def test_the_plan_of_a_scene_survives_a_file(corpus: Corpus, tmp_path) -> None:  # type: ignore[no-untyped-def]
    for index in range(20):
        plan = draw_scene(2, index, "train", corpus).plan(corpus)
        plan.save(tmp_path / "plan.yaml")
        assert Plan.load(tmp_path / "plan.yaml") == plan


def test_the_sound_of_a_hit_starts_at_its_instant(corpus: Corpus) -> None:
    sound = np.abs(mix(alone(struck(corpus, (1.0,))))).max(axis=0)
    assert sound[: SAMPLE_RATE - 10].max() < 1e-4
    assert sound[SAMPLE_RATE : SAMPLE_RATE + 4410].max() > 0.1


@pytest.mark.parametrize("gesture", GESTURES)
def test_the_picture_moves_into_the_hit(corpus: Corpus, gesture: str) -> None:
    """There is motion around the hit that stands out of the grain, and stillness a second later."""
    images = render(alone(struck(corpus, (1.6,), gesture=gesture))).images.astype(float)
    motion = np.abs(np.diff(images, axis=0)).mean(axis=(1, 2, 3))
    noise = np.median(motion[:10])
    around = motion[round(1.2 * FPS) : round(1.85 * FPS)].max() - noise
    assert around > 0.8
    assert motion[round(2.6 * FPS) :].max() - noise < around / 2


@pytest.mark.parametrize("gesture", GESTURES)
def test_a_gesture_is_at_rest_long_before_and_after(corpus: Corpus, gesture: str) -> None:
    source = struck(corpus, (1.5,), gesture=gesture)
    for t in (0.2, 2.9):
        rest = pose(source, t)
        assert abs(rest.dx) + abs(rest.angle) + abs(rest.stretch - 1) < 1e-3


def test_right_is_louder_and_earlier_in_the_right_ear() -> None:
    click = np.zeros(1000, dtype=np.float32)
    click[500] = 1
    left, right = pan(click, np.array([0.5], dtype=np.float32))
    assert 20 * np.log10(right.max() / left.max()) == pytest.approx(6.0, abs=0.01)
    assert left.argmax() - right.argmax() == round(0.5 * 0.6e-3 * SAMPLE_RATE)


def test_panning_keeps_power_and_mirrors() -> None:
    noise = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    for azimuth in (-1.0, -0.3, 0.0, 0.8):
        stereo = pan(noise, np.array([azimuth], dtype=np.float32))
        assert (stereo**2).sum() / (noise**2).sum() == pytest.approx(2, rel=0.02)
        np.testing.assert_array_equal(stereo[::-1], pan(noise, np.array([-azimuth], dtype=np.float32)))


def test_a_loop_has_the_length_asked_for_and_no_hole() -> None:
    noise = np.random.default_rng(0).standard_normal(30_000).astype(np.float32)
    long = looped(noise, 100_000)
    assert len(long) == 100_000
    power = (long[: 99 * 1000].reshape(99, 1000) ** 2).mean(axis=1)
    assert power.min() > 0.6


def test_damage_grows_as_quality_falls(corpus: Corpus) -> None:
    clean = alone(struck(corpus, (1.0,)))
    floors = []
    for quality in (1.0, 0.7, 0.2):
        noisy = mix(replace(clean, quality=quality, flaws=("noise",)))
        floors.append(float(np.abs(noisy[:, : SAMPLE_RATE // 2]).mean()))
    assert floors[0] < floors[1] < floors[2]


def test_every_file_of_the_corpus_can_be_read(corpus: Corpus) -> None:
    for recording in corpus.recordings[::40]:
        assert read_sound(recording.path).shape[0] == 2
    for sprite in corpus.sprites[::20]:
        assert read_sprite(sprite.path).shape[2] == 4
