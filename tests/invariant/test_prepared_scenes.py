"""Prepared scenes and stills: written whole, read back, the same every time, and kept when they are there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prismaudio.backends.embedded.motion import MotionEncoder, mirror
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import StageConfig
from prismaudio.training.closeups import Closeups, CloseupsConfig, prepare_closeups
from prismaudio.training.scenes import PoolConfig, load_scene, prepare_pool, scene_files
from prismaudio.training.stills import Stills, StillsConfig, prepare_stills
from prismaudio.training.train_motion_reader import seen_activity

POOL = PoolConfig(count=2, stage=StageConfig(shortest=2.0, longest=2.5))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    prepare_pool(folder, Corpus.load(), POOL)
    return folder


def test_a_scene_is_read_back_with_all_its_parts(pool: Path) -> None:
    scene = load_scene(scene_files(pool)[0])
    frames = round(scene.plan.duration * 25)
    assert scene.motion.shape == (frames, MotionEncoder.dim)
    assert scene.pictures.shape[1:] == (5, 1280)
    assert len(scene.mels) == len(scene.images) == POOL.takes
    assert scene.mels[0].shape[1] == 4 * scene.images[0].shape[1]
    assert not torch.equal(scene.mels[0], scene.mels[1])


def test_preparing_again_gives_the_same_and_keeps_what_is_there(pool: Path, tmp_path: Path) -> None:
    prepare_pool(tmp_path, Corpus.load(), POOL.model_copy(update={"count": 1}))
    first, again = load_scene(scene_files(pool)[0]), load_scene(tmp_path / "00000.pt")
    torch.testing.assert_close(first.motion, again.motion, rtol=0, atol=0)
    torch.testing.assert_close(first.mels[1], again.mels[1], rtol=0, atol=0)
    before = (tmp_path / "00000.pt").stat().st_mtime_ns
    prepare_pool(tmp_path, Corpus.load(), POOL.model_copy(update={"count": 1}))
    assert (tmp_path / "00000.pt").stat().st_mtime_ns == before


def test_truth_of_motion_marks_hits_where_they_are_seen(pool: Path) -> None:
    for file in scene_files(pool):
        scene = load_scene(file)
        hits, active = seen_activity(scene.plan, 80)
        on_screen = {event.id for event in scene.plan.semantic.events if event.on_screen}
        struck = [hit for s in scene.plan.temporal.spans if s.event in on_screen for hit in s.hits]
        for hit in struck:
            assert float(hits[round(hit * 25)].max()) > 0.5
        assert bool(hits.any()) == bool(struck)
        assert float(active.max()) <= 1


def test_a_mirror_seen_in_a_mirror_is_the_picture(pool: Path) -> None:
    motion = load_scene(scene_files(pool)[0]).motion.float()
    torch.testing.assert_close(mirror(mirror(motion)), motion)


def test_stills_say_where_things_are(tmp_path: Path) -> None:
    config = StillsConfig(scenes=3, stage=StageConfig(shortest=2, longest=2.5, off_screen=0))
    prepare_stills(tmp_path / "stills.pt", Corpus.load(), config, "validation")
    stills = Stills.load(tmp_path / "stills.pt")
    assert stills.maps.shape == (3, 1280, 7, 10)
    assert stills.boxes.shape == (3, 4, 3)
    assert bool((stills.boxes[:, 0, 2] > 0).all())
    assert bool((stills.boxes[..., 2] < 1).all())


def test_closeups_are_called_as_the_stage_calls_what_they_show(tmp_path: Path) -> None:
    corpus = Corpus.load()
    few = replace(corpus, sprites=tuple(s for s in corpus.sprites if s.class_name in ("dog", "car_engine")))
    prepare_closeups(tmp_path / "looks.pt", few, CloseupsConfig(looks=2), "validation")
    closeups = Closeups.load(tmp_path / "looks.pt")
    shown = [s for s in few.sprites if s.split == "validation"]
    assert closeups.looks.shape == (2 * len(shown), 192, 5, 5)
    assert float(closeups.names.sum()) == pytest.approx(1)
    for sprite, names in zip(shown, closeups.names, strict=True):
        called = {VOCABULARY[k].name for k in names.nonzero().flatten().tolist()}
        assert sprite.class_name in called
        assert ("crash" in called) == (sprite.class_name == "car_engine")  # it borrows pictures of cars
