"""Reconstruction: equal sounds are at no distance, silence is far, and moved sounds are noticed."""

import numpy as np
import pytest
import torch

from prismaudio.evaluation.codec_report import codec_report, round_trip
from prismaudio.evaluation.metrics.reconstruction import (
    DirectionShift,
    direction_shift,
    loudest_crop,
    spectral_distance,
)
from prismaudio.stage.corpus import Corpus, read_sound
from prismaudio.stage.mix import pan
from prismaudio.types import Audio

RATE = 44100


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


class Wires:
    """A codec that keeps everything, or exchanges the ears."""

    sample_rate = RATE
    latent_channels = 2
    hop = 2048

    def __init__(self, *, crossed: bool = False) -> None:
        self.crossed = crossed

    def encode(self, audio: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return torch.nn.functional.pad(audio, (0, -audio.shape[-1] % self.hop))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.flip(1) if self.crossed else latents


def test_identical_audio_has_distance_zero(corpus: Corpus) -> None:
    mono = torch.from_numpy(read_sound(corpus.recordings[0].path)[0])
    assert spectral_distance(mono, mono) == 0.0


def test_silence_in_place_of_recordings_scores_about_six(corpus: Corpus) -> None:
    crops = [loudest_crop(read_sound(r.path), 2048) for r in corpus.recordings[::90]]
    monos = [torch.from_numpy(crop.mean(axis=0)) for crop in crops if crop is not None]
    distances = [spectral_distance(mono, torch.zeros_like(mono)) for mono in monos]
    assert 5 < np.mean(distances) < 8
    assert min(distances) > 2


def test_distance_of_a_halved_sound_is_known() -> None:
    """Magnitudes scaled by 1/2: convergence 1/2, logarithms differ by ln 2 everywhere above the floor."""
    noise = torch.randn(32768, generator=torch.Generator().manual_seed(0))
    assert spectral_distance(noise, noise / 2) == pytest.approx(0.5 + np.log(2), abs=1e-3)


def test_distance_grows_with_damage() -> None:
    generator = torch.Generator().manual_seed(0)
    sound = torch.sin(2 * torch.pi * 440 * torch.arange(32768) / RATE)
    hiss = torch.randn(32768, generator=generator)
    near, far = (spectral_distance(sound, sound + level * hiss) for level in (0.001, 0.1))
    assert 0 < near < far


def test_a_crop_is_the_loudest_part_in_whole_frames() -> None:
    samples = 0.01 * np.ones((2, 100_000), dtype=np.float32)
    samples[:, 60_000:70_000] = 1
    crop = loudest_crop(samples, 2048)
    assert crop is not None
    assert crop.shape == (2, 32768)
    assert (crop == 1).sum() == 20_000
    short = loudest_crop(samples[:, :5000], 2048)
    assert short is not None
    assert short.shape == (2, 4096)
    assert loudest_crop(samples[:, :2000], 2048) is None


@pytest.mark.parametrize("azimuth", [-0.6, 0.4])
def test_exchanged_ears_are_twice_the_azimuth_away(azimuth: float) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(32768).astype(np.float32)
    samples = torch.from_numpy(pan(noise, np.array([azimuth], dtype=np.float32)))
    same = direction_shift(Audio(samples, RATE), Audio(round_trip(Wires(), samples), RATE))
    moved = direction_shift(Audio(samples, RATE), Audio(round_trip(Wires(crossed=True), samples), RATE))
    assert same == DirectionShift(0, 0)
    assert same.is_small
    assert moved.level_db == pytest.approx(-24 * azimuth, abs=0.5)
    assert moved.delay_ms == pytest.approx(-1.2 * azimuth, abs=0.05)
    assert not moved.is_small


def test_the_report_tells_a_good_codec_from_one_that_crosses_the_ears(corpus: Corpus) -> None:
    good, crossed = (codec_report(Wires(crossed=c), corpus, "validation", most=4) for c in (False, True))
    assert good.recordings + good.too_short == 4
    assert (good.distance.value, good.delay_error_ms.value, good.share_within.value) == (0, 0, 1)
    assert crossed.share_within.value < 0.5
    assert crossed.distance.value == pytest.approx(0, abs=1e-4)  # the mono mix cannot tell
    assert good.distance_of_silence > 4
