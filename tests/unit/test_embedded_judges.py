"""The embedded judges hear what they say they hear, alone as in company; directions and offsets have the right sign."""

import numpy as np
import pytest
import torch

from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.backends.embedded.judges import (
    CleannessJudge,
    OffsetJudge,
    SeenPlaceJudge,
    WordsJudge,
    window_starts,
)
from prismaudio.backends.embedded.senses import Senses
from prismaudio.backends.embedded.text import WordTable
from prismaudio.models.hearing import hear, heard_azimuth, overload_marks
from prismaudio.models.judges import (
    AudioTextNetwork,
    OffsetNetwork,
    QualityNetwork,
    SeenPlaceNetwork,
    at_lags,
)
from prismaudio.models.sound_classifier import relative
from prismaudio.stage.mix import pan
from prismaudio.types import Frames

RATE = 44_100


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    """(2, N), the same at both ears."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(int(seconds * RATE), generator=generator) * 0.1).expand(2, -1)


def sounds(count: int, seconds: float = 4.5) -> Sounds:
    return Sounds(torch.stack([noise(seconds, seed) for seed in range(count)]), RATE)


def film(seconds: float) -> Frames:
    rng = np.random.default_rng(0)
    images = np.repeat(rng.integers(0, 255, (int(seconds * 25), 28, 40, 1), np.uint8), 3, axis=3)
    return Frames(np.ascontiguousarray(images.repeat(4, axis=1).repeat(4, axis=2)), 25.0)


@pytest.mark.parametrize("azimuth", [-0.8, -0.3, 0.0, 0.5, 0.9])
def test_a_panned_sound_is_heard_where_it_was_put(azimuth: float):
    mono = noise(1.0)[0].numpy()
    heard, energy = heard_azimuth(torch.from_numpy(pan(mono, np.array([azimuth], np.float32)))[None])
    assert heard.shape == energy.shape
    assert heard[0, 2:-2].median().item() == pytest.approx(azimuth, abs=0.06)


def test_clipping_leaves_marks_and_loudness_does_not():
    clean = torch.sin(torch.arange(RATE) * 0.05) * torch.linspace(0.1, 1, RATE)
    clean = torch.stack([clean, clean])[None]
    clipped = clean.clamp(-0.3, 0.3)
    torch.testing.assert_close(overload_marks(clean), overload_marks(clean * 0.1), atol=1e-4, rtol=0)
    assert (overload_marks(clipped)[:, 1:] > overload_marks(clean)[:, 1:] + 0.1).all()
    assert torch.equal(overload_marks(torch.zeros(1, 2, 100)), torch.zeros(1, 4))


def test_mel_frames_come_a_hundred_times_a_second():
    assert hear(noise(3.0)[None]).mel.shape == (1, 80, 301)


@pytest.mark.parametrize("early", [-50, -7, 0, 12, 52])
def test_correlation_peaks_at_the_frames_by_which_the_sound_is_early(early: int):
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(1, 1, 300, generator=generator)
    heard = torch.roll(seen, -early, dims=-1)
    correlation = at_lags(heard, seen)
    assert correlation.shape == (1, 1, 105)
    assert int(correlation.argmax()) - 52 == early


def test_the_loudest_moment_is_one_whatever_the_level():
    mel = torch.randn(2, 80, 50)
    torch.testing.assert_close(relative(mel), relative(mel - 3))
    assert relative(mel).amax() == 1


@pytest.mark.parametrize(
    ("seconds", "starts"), [(3.0, [0.0]), (4.0, [0.0]), (9.0, [0.0, 2.5, 5.0]), (8.0, [0.0, 4.0])]
)
def test_windows_cover_everything_and_end_at_the_end(seconds: float, starts: list[float]):
    assert window_starts(seconds) == pytest.approx(starts)


def test_a_sound_is_judged_alone_as_in_company():
    torch.manual_seed(0)
    many, one = sounds(4), sounds(1)
    frames = film(4.5)
    words = WordsJudge(AudioTextNetwork(), WordTable())
    cleanness, offset, place = (
        CleannessJudge(QualityNetwork()),
        OffsetJudge(OffsetNetwork()),
        SeenPlaceJudge(SeenPlaceNetwork()),
    )
    for score in (
        lambda s: words.score(s, ["a dog barking"] * len(s.samples)),
        cleanness.score,
        lambda s: offset.score(s, frames).expected(),
        lambda s: place.score(s, frames),
    ):
        torch.testing.assert_close(score(many)[:1], score(one), atol=1e-5, rtol=1e-5, equal_nan=True)


def test_the_last_half_second_is_heard():
    torch.manual_seed(0)
    whole = sounds(1, 9.0)
    changed = whole.samples.clone()
    changed[..., -RATE // 2 :] = 0
    frames = film(9.0)
    words, offset = WordsJudge(AudioTextNetwork(), WordTable()), OffsetJudge(OffsetNetwork())
    cleanness = CleannessJudge(QualityNetwork())
    for score in (words.hear, cleanness.score, lambda s: offset.score(s, frames).logits):
        assert not torch.allclose(score(whole), score(Sounds(changed, RATE)), atol=1e-4)


def test_what_cannot_be_judged_is_said():
    with pytest.raises(Unjudgeable, match="has no words"):
        WordsJudge(AudioTextNetwork(), WordTable()).read([""])
    with pytest.raises(Unjudgeable, match="too short"):
        OffsetJudge(OffsetNetwork()).score(sounds(1, 0.5), film(4.5))


def test_nothing_seen_has_no_place():
    network = SeenPlaceNetwork()
    with torch.no_grad():
        network.layers[-1].bias[-1] = -20.0  # type: ignore[index,union-attr]  # nothing ever sounds
    assert SeenPlaceJudge(network).score(sounds(2), film(4.5)).isnan().all()


def test_senses_hear_and_see_anew_what_changed():
    senses, heard = Senses(), sounds(2)
    first = senses.hear(heard)
    assert senses.hear(heard) is first
    assert senses.hear(sounds(2)) is not first
    heard.samples[0] = 0
    assert senses.hear(heard) is not first
    frames = film(1.0)
    seen = senses.watch(frames)
    assert senses.watch(Frames(frames.images.copy(), 25.0)) is seen
    assert senses.watch(Frames(frames.images[::-1].copy(), 25.0)) is not seen
