"""Prompts are prepared once, the same wherever they are prepared; gold knows what is true of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from prismaudio.backends.content_cache import StoredFrames, content_key
from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.generation.loading import load_embedded
from prismaudio.media.preprocess import View
from prismaudio.posttraining.prompts import SEEN, OtherPrompts
from prismaudio.posttraining.stage_prompts import StagePrompt, StagePromptsConfig, prepare_prompts
from prismaudio.posttraining.truth import SceneTruth, Truth, figures
from prismaudio.stage.corpus import Corpus
from prismaudio.types import Audio, Frames

VIEW = View(MotionEncoder.fps, *MotionEncoder.frame_size, fit="stretch")
SMALL = StagePromptsConfig(count=2, seconds=1.5, split="validation")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


@pytest.fixture(scope="module")
def folder(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    prepare_prompts(folder, SMALL, load_embedded(), [VIEW], corpus)
    return folder


def load(folder: Path, corpus: Corpus, config: StagePromptsConfig = SMALL) -> list[StagePrompt]:
    return prepare_prompts(folder, config, load_embedded(), [VIEW], corpus)


def test_prompts_are_of_one_length_and_ask_for_clean_recordings(folder: Path, corpus: Corpus):
    for number, prompt in enumerate(load(folder, corpus)):
        scene = SMALL.scene(number, corpus)
        assert prompt.plan == scene.plan(corpus)
        assert (prompt.plan.duration, prompt.plan.aesthetic.quality, prompt.plan.aesthetic.flaws) == (
            scene.duration,
            1.0,
            (),
        )
        assert prompt.sound.samples.shape == (2, round(scene.duration * 44_100))
    flawed = SMALL.model_copy(update={"clean": False})
    assert any(flawed.scene(number, corpus).flaws for number in range(5))


def test_films_wait_on_disk_and_are_known_by_their_content(folder: Path, corpus: Corpus):
    (view, frames), *rest = load(folder, corpus)[0].views.items()
    assert (view, rest) == (VIEW, [])
    assert isinstance(frames, StoredFrames)
    assert isinstance(frames.images, np.memmap)
    assert frames.images.shape[1:] == (112, 160, 3)
    assert content_key(frames, "v") == content_key(Frames(np.array(frames.images), frames.fps), "v")


def test_an_interrupted_preparation_goes_on(folder: Path, corpus: Corpus):
    """What is there is kept, what is missing is made anew and is the same, and more may be asked for."""
    kept, lost = folder / "00000.pt", folder / "00001.pt"
    before = load(folder, corpus)
    when = kept.stat().st_mtime_ns
    lost.unlink()
    after = load(folder, corpus, SMALL.model_copy(update={"count": 3}))
    assert kept.stat().st_mtime_ns == when
    assert len(after) == 3
    for one, two in zip(before, after[:2], strict=True):
        assert one.plan == two.plan
        assert torch.equal(one.told.seen.motion, two.told.seen.motion)
        assert torch.equal(one.samples, two.samples)


def test_a_folder_of_other_prompts_is_refused(folder: Path, corpus: Corpus):
    for changes in ({"seed": 72}, {"seconds": 2.0}, {"clean": False}):
        with pytest.raises(OtherPrompts, match="holds prompts of other settings"):
            load(folder, corpus, SMALL.model_copy(update=changes))


def test_prompts_of_earlier_versions_are_still_read(folder: Path, corpus: Corpus, tmp_path: Path):
    """What a folder is known by is the same text, and what files once said besides does no harm."""
    old = Path(shutil.copytree(folder, tmp_path / "old"))
    kind, watched, shown = (old / "settings.toml").read_text().splitlines()
    assert kind == (
        'scenes {"seconds":1.5,"seed":71,"split":"validation","clean":true,"stage":{"shortest":2.0,"longest":9.0,'
        '"off_screen":0.2,"distractor":0.25,"ambience":0.35,"moving":0.35,"cut":0.1}}'
    )
    assert watched.startswith("watched by [('codec', 'embedded-mel-stereo'), ")
    assert shown == f"shown to judges in [{VIEW}]"
    with torch.serialization.safe_globals(SEEN):
        state = torch.load(old / "00000.pt", weights_only=True)
    torch.save(state | {"struck_only": True}, old / "00000.pt")
    one, two = load(old, corpus)[0], load(folder, corpus)[0]
    assert one.plan == two.plan
    assert torch.equal(one.samples, two.samples)


def test_gold_prefers_the_true_sound(folder: Path, corpus: Corpus):
    """To silence, to its mirror and to the sound of another scene; it is no further from itself than nothing."""
    prompts = load(folder, corpus)
    sounds = [prompt.sound for prompt in prompts]
    truth = Truth([prompt.plan for prompt in prompts], sounds)
    right = figures(truth.scenes(sounds))
    silent = figures(truth.scenes([Audio(torch.zeros_like(s.samples), s.sample_rate) for s in sounds]))
    mirrored = figures(truth.scenes([Audio(s.samples.flip(0), s.sample_rate) for s in sounds]))
    swapped = figures(truth.scenes(sounds[::-1]))
    assert right["gold"] > max(silent["gold"], mirrored["gold"], swapped["gold"]) + 0.05
    assert mirrored["azimuth_error"] > right["azimuth_error"] + 0.1
    assert truth.distance(sounds) == pytest.approx(0, abs=1e-3)
    assert truth.distance([Audio(torch.randn_like(s.samples), s.sample_rate) for s in sounds]) > 1


def test_gold_is_the_mean_of_when_where_and_what():
    scenes = [
        SceneTruth(Matches(2, 3, 3), (0.2, 0.4), 0.5, 0.9),
        SceneTruth(Matches(1, 1, 3), (), 0.1, 0.7),
    ]
    seen = figures(scenes)
    assert seen["onset_f1"] == pytest.approx(2 * 3 / 10)
    assert seen["azimuth_error"] == pytest.approx(0.3)
    assert seen["class_chance"] == pytest.approx(0.3)
    assert seen["quality"] == pytest.approx(0.8)
    assert seen["gold"] == pytest.approx((0.6 + 0.7 + 0.3) / 3)
    assert figures([scenes[1]])["gold"] == pytest.approx((0.5 + 0 + 0.1) / 3)  # nothing heard alone: nowhere
