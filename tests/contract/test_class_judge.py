"""The shipped class judge keeps its promise: it names recordings it has never heard, alone and in scenes."""

import pytest
import torch

from prismaudio.evaluation.sound_classifier import chance_of_hit, likeliest, load_classifier
from prismaudio.models.sound_classifier import SoundClassifier
from prismaudio.stage.corpus import Corpus, read_sound
from prismaudio.stage.mix import mix
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.types import Audio

CLEAN = StageConfig(shortest=2.0, longest=3.0, ambience=0.0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


@pytest.fixture(scope="module")
def judge() -> SoundClassifier:
    return load_classifier()


def test_it_knows_the_classes_of_the_corpus(judge: SoundClassifier, corpus: Corpus) -> None:
    assert judge.class_names == tuple(corpus.classes)
    assert 4e5 < sum(p.numel() for p in judge.parameters()) < 8e5


def test_it_names_held_out_recordings(judge: SoundClassifier, corpus: Corpus) -> None:
    held_out = [r for r in corpus.recordings if r.split == "test"][::4]
    hits = [
        r.class_name in likeliest(judge, Audio(torch.from_numpy(read_sound(r.path)), 44100)) for r in held_out
    ]
    assert sum(hits) / len(hits) > 0.6
    assert chance_of_hit(5, {"any"}, len(judge.class_names)) < 0.06


def test_it_hears_which_of_two_scenes_is_which(judge: SoundClassifier, corpus: Corpus) -> None:
    """A held-out scene's own classes are heard more often than its neighbour's."""
    scenes = [draw_scene(3, index, "test", corpus, CLEAN) for index in range(24)]
    heard = [set(likeliest(judge, Audio(torch.from_numpy(mix(scene)), 44100))) for scene in scenes]
    wanted = [{source.class_name for source in scene.sources} for scene in scenes]
    own = sum(bool(h & w) for h, w in zip(heard, wanted, strict=True))
    other = sum(bool(h & w) for h, w in zip(heard, wanted[1:] + wanted[:1], strict=True))
    assert own >= 12
    assert own > 2 * other
