"""What the embedded judges learn from is true: sounds are moved by what is said, places lie where the plan has them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prismaudio.backends.embedded.judges import FILES, load_cleanness, load_offset, load_seen_place
from prismaudio.dimensions.plan import Plan
from prismaudio.models.hearing import MARKS, MEL_BANDS
from prismaudio.models.judges import OFFSETS
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import StageConfig
from prismaudio.training.judged import (
    JudgedConfig,
    JudgedScene,
    Take,
    load_judged,
    other_quality,
    prepare_judged,
)
from prismaudio.training.loop import LoopConfig
from prismaudio.training.recipe import RecipeConfig, make_judges
from prismaudio.training.scenes import scene_files
from prismaudio.training.train_judges import (
    JudgesConfig,
    OffsetSamples,
    QualitySamples,
    ScenesTooShort,
    SeenPlaceSamples,
    cut,
    places_over_time,
    rank_correlation,
    seen_to_sound,
)

STAGE = StageConfig(shortest=7.2, longest=7.5)
SCENES = JudgedConfig(count=3, stage=STAGE)


def plan(onset: float = 1.0, offset: float = 2.0, *, on_screen: bool = True, seconds: float = 8.0) -> Plan:
    return Plan.model_validate(
        {
            "duration": seconds,
            "semantic": {"events": [{"id": "a", "sound": "a dog barking", "on_screen": on_screen}]},
            "temporal": {"spans": [{"event": "a", "onset": onset, "offset": offset}]},
            "spatial": {"places": [{"event": "a", "keys": [[0.0, -1.0], [8.0, 1.0]]}]},
        }
    )


def ruled_scene(seconds: float = 8.0) -> JudgedScene:
    """Motion and mel tell at every frame the moment that they are of."""
    motion = torch.arange(round(seconds * 25)).float()[:, None].expand(-1, 36) / 25
    mel = torch.arange(round(seconds * 100) + 1).float().expand(MEL_BANDS, -1) / 100
    return JudgedScene(plan(seconds=seconds), motion.half(), (Take(mel.half(), torch.zeros(MARKS), 1.0),))


def test_a_stretch_of_sound_begins_as_much_earlier_as_is_said():
    samples = OffsetSamples([ruled_scene(), ruled_scene(5.5)], 0, varied=False)
    drawn = [samples[number] for number in range(200)]
    for sample in drawn:
        motion, mel = sample["motion"][:, 0], sample["mel"][0]
        assert motion.shape == (125,)
        assert mel.shape == (500,)
        assert (motion.diff() > 0).all(), "no stillness that the scene did not have"
        assert (mel.diff() >= 0).all(), "no silence that the scene did not have"
        early = float(mel[0] - motion[0])
        assert early == pytest.approx((int(sample["early"]) - 10) / 5, abs=0.07)
    assert {int(sample["early"]) for sample in drawn} == set(range(OFFSETS))
    assert torch.equal(samples[7]["mel"], samples[7]["mel"])


def test_varied_samples_keep_their_truth_and_their_shape():
    plain, varied = (OffsetSamples([ruled_scene()], 0, varied=v) for v in (False, True))
    for number in range(20):
        assert plain[number]["early"] == varied[number]["early"]
        assert plain[number]["mel"].shape == varied[number]["mel"].shape
        assert not torch.equal(plain[number]["mel"], varied[number]["mel"])
        assert torch.isfinite(varied[number]["mel"]).all()


def test_scenes_too_short_to_move_a_sound_in_are_refused():
    with pytest.raises(ScenesTooShort, match="prepare more or longer"):
        OffsetSamples([ruled_scene(6.0)], 0)


def test_only_what_is_seen_to_begin_or_end_has_a_time():
    assert seen_to_sound(plan())
    assert not seen_to_sound(plan(on_screen=False))
    assert not seen_to_sound(plan(0.0, 8.0))
    assert seen_to_sound(plan(0.0, 7.0))


def test_what_lies_outside_is_silent_in_mel_and_still_in_motion():
    mel, motion = torch.rand(80, 10), torch.rand(36, 10) + 1
    assert (cut(mel, -3, 8)[:, :3] == mel.min()).all()
    assert torch.equal(cut(mel, -3, 8)[:, 3:], mel[:, :5])
    assert (cut(motion, 6, 8)[:, 4:] == 0).all()
    assert torch.equal(cut(motion, 2, 5), motion[:, 2:7])


def test_places_are_those_of_the_plan_while_it_sounds():
    azimuth, sounding = places_over_time(plan(), 200)
    assert sounding.nonzero()[:, 0].tolist() == list(range(25, 50))
    assert azimuth[25] == pytest.approx(-0.75, abs=0.01)
    assert azimuth[49] == pytest.approx(-0.51, abs=0.01)
    assert not places_over_time(plan(on_screen=False), 200)[1].any()


def test_mirrored_motion_has_mirrored_places():
    scene = ruled_scene()
    samples = SeenPlaceSamples([scene], 0)
    drawn = [samples[number] for number in range(40)]
    sides = [
        float(sample["azimuth"][sample["sounding"] > 0].mean())
        for sample in drawn
        if sample["sounding"].any()
    ]
    assert min(sides) < 0 < max(sides)
    assert all(sample["motion"].shape == (100, 36) for sample in drawn)


def test_equal_values_share_their_ranks():
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([3, 2, 1], [10, 20, 30]) == pytest.approx(-1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for split in ("train", "validation"):
        prepare_judged(folder / "scenes" / f"judged-{split}", Corpus.load(), SCENES, split)
    return folder


def test_takes_differ_and_are_read_back(pool: Path):
    scenes = list(load_judged(scene_files(pool / "scenes" / "judged-train")))
    assert len(scenes) == 3
    for scene in scenes:
        first, second = scene.takes
        assert first.mel.shape == second.mel.shape == (MEL_BANDS, round(scene.plan.duration * 100) + 1)
        assert not torch.equal(first.mel, second.mel)
        assert len(scene.motion) == round(scene.plan.duration * 25)
    taken = QualitySamples(scenes, 0)[5]
    assert taken["mel"].shape == (MEL_BANDS, 400)
    assert 0 <= float(taken["quality"]) <= 1


def test_another_machine_records_evenly_from_ruined_to_clean():
    from prismaudio.stage.scene import draw_scene

    scene = draw_scene(0, 0, "train", Corpus.load(), STAGE)
    drawn = [other_quality(scene, (0, number)) for number in range(300)]
    clean = [one for one in drawn if not one.flaws]
    assert 20 < len(clean) < 60
    assert all(one.quality == 1 for one in clean)
    assert np.quantile([one.quality for one in drawn], 0.25) == pytest.approx(0.29, abs=0.06)


def test_the_recipe_makes_judges_that_load_and_keeps_those_that_are_there(pool: Path):
    loop = LoopConfig(steps=2, batch_size=2, checkpoint_every=2, validate_every=2, precision="no")
    judges = JudgesConfig(scenes=SCENES, held_out_scenes=3, offset=loop, quality=loop, seen_place=loop)
    weights = pool / "weights"
    weights.mkdir()
    (weights / FILES["words"]).write_bytes(b"made before")
    make_judges(RecipeConfig(judges=judges), Corpus.load(), pool, weights)
    assert (weights / FILES["words"]).read_bytes() == b"made before"
    for load in (load_offset, load_cleanness, load_seen_place):
        judge = load(weights)
        assert len(judge.versions["weights"]) == 64
        assert all(torch.isfinite(p).all() for p in judge.network.parameters())
