"""The class judge: its network, its training windows, and what guessing would score."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prismaudio.evaluation.sound_classifier import chance_of_hit, likeliest, load_classifier
from prismaudio.models.checkpoints import save_weights
from prismaudio.models.sound_classifier import (
    MEL_BANDS,
    WINDOW_FRAMES,
    SoundClassifier,
    classifier_mel,
    loud_windows,
)
from prismaudio.stage.corpus import Corpus
from prismaudio.training.loop import LoopConfig
from prismaudio.training.train_classifier import (
    ClassifierTrainingConfig,
    Labelled,
    SoundWindows,
    accuracy,
    labelled_mels,
    train_classifier,
)
from prismaudio.types import Audio

NAMES = ("bell", "dog", "rain")


@pytest.fixture
def classifier() -> SoundClassifier:
    torch.manual_seed(0)
    return SoundClassifier(NAMES, width=8).eval()


def noise(seconds: float, rate: int = 44100) -> Audio:
    generator = torch.Generator().manual_seed(0)
    return Audio(0.1 * torch.randn(2, round(seconds * rate), generator=generator), rate)


def few(corpus: Corpus, *names: str) -> Corpus:
    """Three recordings of each of these classes and split."""
    chosen = [corpus.recordings_of(n, s)[:3] for n in names for s in ("train", "validation")]
    return replace(
        corpus,
        classes={name: corpus.classes[name] for name in names},
        recordings=tuple(recording for group in chosen for recording in group),
    )


def test_every_class_has_a_logit_and_batches_do_not_mix(classifier: SoundClassifier) -> None:
    mel = torch.randn(3, MEL_BANDS, WINDOW_FRAMES, generator=torch.Generator().manual_seed(0))
    logits = classifier(mel)
    assert logits.shape == (3, 3)
    torch.testing.assert_close(classifier(mel[1:2]), logits[1:2], atol=1e-5, rtol=1e-4)


def test_loudness_and_phase_do_not_matter(classifier: SoundClassifier) -> None:
    audio = noise(1.0)
    chances = classifier.probabilities(classifier_mel(audio.samples))
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    for other in (audio.samples * 0.1, -audio.samples, audio.samples.flip(0)):
        torch.testing.assert_close(
            classifier.probabilities(classifier_mel(other)), chances, atol=1e-3, rtol=0
        )


@pytest.mark.parametrize("seconds", [0.05, 2.2, 2.5, 9.0])
def test_a_sound_of_any_length_is_judged_to_its_end(classifier: SoundClassifier, seconds: float) -> None:
    mel = classifier_mel(noise(seconds).samples)
    windows, weights = loud_windows(mel)
    assert windows.shape[1:] == (MEL_BANDS, WINDOW_FRAMES)
    assert (len(windows) + 1) * WINDOW_FRAMES // 2 >= mel.shape[1]
    assert float(weights.max()) == 1
    assert torch.isfinite(classifier.probabilities(mel)).all()


def test_silent_windows_have_no_say() -> None:
    mel = torch.full((MEL_BANDS, 2 * WINDOW_FRAMES), -16.0)
    mel[:, :50] = 0
    _, weights = loud_windows(mel)
    assert weights[0] == 1
    assert weights[-1] < 0.01


def test_names_come_surest_first_and_silence_has_none(classifier: SoundClassifier) -> None:
    with torch.no_grad():
        classifier.head[1].bias += torch.tensor([0.0, 50.0, 20.0])
    assert likeliest(classifier, noise(1.0), 2) == ("dog", "rain")
    assert likeliest(classifier, noise(1.0, rate=32000), 2) == ("dog", "rain")
    assert likeliest(classifier, Audio(torch.zeros(2, 44100), 44100)) == ()


def test_weights_survive_a_file(classifier: SoundClassifier, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "classifier.safetensors"
    save_weights(path, classifier, {"class_names": classifier.class_names, "width": 8})
    again = load_classifier(path)
    assert again.class_names == NAMES
    mel = classifier_mel(noise(1.0).samples)
    torch.testing.assert_close(again.probabilities(mel), classifier.probabilities(mel))


def test_chance_of_a_hit_is_that_of_drawing_without_replacement() -> None:
    assert chance_of_hit(1, {"a"}, 10) == pytest.approx(0.1)
    assert chance_of_hit(5, ["a", "a"], 92) == pytest.approx(5 / 92)
    assert chance_of_hit(2, {"a", "b"}, 4) == pytest.approx(1 - 1 / 6)
    rng = np.random.default_rng(0)
    drawn = [bool({0, 1} & set(rng.choice(20, 5, replace=False).tolist())) for _ in range(5000)]
    assert chance_of_hit(5, {"a", "b"}, 20) == pytest.approx(np.mean(drawn), abs=0.03)


def sounds_of_three_classes() -> list[Labelled]:
    """Three recordings of class 0 and one of each other, told apart by the one band that is loud."""
    found = []
    for class_index, count in ((0, 3), (1, 1), (2, 1)):
        mel = np.full((MEL_BANDS, 100), -14.0, dtype=np.float32)
        mel[20 * class_index + 10 : 20 * class_index + 14] = -2
        found += [Labelled(mel, class_index, "struck")] * count
    return found


def test_training_windows_are_a_function_of_their_number_and_balance_the_classes() -> None:
    windows = SoundWindows(sounds_of_three_classes(), classes=3, beds=[2], seed=0)
    first, again = windows[7], windows[7]
    torch.testing.assert_close(first, again)
    assert first["mel"].shape == (MEL_BANDS, WINDOW_FRAMES)
    targets = torch.stack([windows[i]["target"] for i in range(300)])
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(300))
    assert targets.mean(dim=0).numpy() == pytest.approx([1 / 3] * 3, abs=0.06)
    assert all(torch.isfinite(windows[i]["mel"]).all() for i in range(300))


@pytest.mark.slow
def test_a_short_training_learns_to_tell_rain_from_a_knock(tmp_path) -> None:  # type: ignore[no-untyped-def]
    corpus = few(Corpus.load(), "river_stream", "wood_impact")
    config = ClassifierTrainingConfig(
        width=8, loop=LoopConfig(steps=60, batch_size=8, learning_rate=3e-3, warmup=5, ema_decay=0.9)
    )
    model = train_classifier(config, corpus, tmp_path)
    assert accuracy(model, labelled_mels(corpus, "train"))["top1"] > 0.8
