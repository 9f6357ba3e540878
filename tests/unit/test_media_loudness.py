"""Loudness against the conformance values of BS.1770, EBU Tech 3341 and an independent meter."""

import math

import pyloudnorm
import pytest
import torch

from prismaudio.media.loudness import integrated_loudness, normalise, true_peak
from prismaudio.types import Audio


def tone(
    decibels: float, seconds: float, hertz: float = 997, rate: int = 48000, phase: float = 0
) -> torch.Tensor:
    t = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return (10 ** (decibels / 20) * torch.sin(2 * torch.pi * hertz * t + phase)).float()


def stereo(samples: torch.Tensor, rate: int = 48000) -> Audio:
    return Audio(samples.repeat(2, 1), rate)


def left_only(samples: torch.Tensor, rate: int = 48000) -> Audio:
    return Audio(torch.stack([samples, torch.zeros_like(samples)]), rate)


def clicks(seconds: int, rate: int = 44100) -> Audio:
    """Loud, very short hits: the largest distance between loudness and peak."""
    samples = torch.zeros(2, seconds * rate)
    hit = torch.randn(2, 300, generator=torch.Generator().manual_seed(0)) * torch.exp(-torch.arange(300) / 40)
    for second in range(seconds):
        samples[:, second * rate + 1000 : second * rate + 1300] = hit
    return Audio(samples, rate)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_full_scale_sine_on_one_side_is_minus_3_01(rate: int):
    assert integrated_loudness(left_only(tone(0, 5, rate=rate), rate)) == pytest.approx(-3.01, abs=0.01)


def test_ebu_3341_case_1_and_2():
    assert integrated_loudness(stereo(tone(-23, 20, 1000))) == pytest.approx(-23, abs=0.1)
    assert integrated_loudness(stereo(tone(-33, 20, 1000))) == pytest.approx(-33, abs=0.1)


def test_ebu_3341_case_3_gates_the_quiet_parts():
    parts = [tone(-36, 10, 1000), tone(-23, 60, 1000), tone(-36, 10, 1000)]
    assert integrated_loudness(stereo(torch.cat(parts))) == pytest.approx(-23, abs=0.1)


def test_ebu_3341_case_4_gates_near_silence_as_well():
    levels = [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)]
    parts = [tone(level, seconds, 1000) for level, seconds in levels]
    assert integrated_loudness(stereo(torch.cat(parts))) == pytest.approx(-23, abs=0.1)


def test_an_independent_approximation_agrees():
    samples = torch.randn(2, 44100 * 3, generator=torch.Generator().manual_seed(0)) * 0.1
    other = pyloudnorm.Meter(44100).integrated_loudness(samples.T.double().numpy())
    assert integrated_loudness(Audio(samples, 44100)) == pytest.approx(other, abs=0.1)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.399])
def test_short_sounds_have_the_loudness_of_one_block(seconds: float):
    # Shorter than 0.1 s the filters' onset is part of the measurement.
    assert integrated_loudness(stereo(tone(-23, seconds, 1000))) == pytest.approx(-23, abs=0.3)


def test_silence_has_no_loudness():
    for length in (0, 1, 100, 48000):
        silence = Audio(torch.zeros(2, length), 48000)
        assert integrated_loudness(silence) == true_peak(silence) == -math.inf
        assert not normalise(silence).audio.samples.any()


@pytest.mark.parametrize("hertz", [12000, 8000, 6000, 997])
def test_peaks_between_the_samples_are_found(hertz: float):
    """EBU 3341 cases 15 to 18: +0.2 / -0.4 dB. At a quarter of the rate the samples show 3 dB less."""
    fade = (torch.arange(48000) / 4000).clamp(max=1) * (torch.arange(48000).flip(0) / 4000).clamp(max=1)
    audio = stereo(tone(-6, 1, hertz, phase=math.pi / 4) * fade)
    assert true_peak(audio) == pytest.approx(-6, abs=0.05)
    if hertz == 12000:
        assert 20 * math.log10(audio.samples.abs().max().item()) == pytest.approx(-9, abs=0.05)


def test_the_peak_may_sit_anywhere():
    for place in (0, 1, 30, 65535, 65536, 65537, 99999):
        samples = torch.zeros(1, 100_000)
        samples[0, place] = -0.5
        assert true_peak(Audio(samples, 44100)) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("target", [-30.0, -23.0, -16.0])
def test_normalising_reaches_the_target(target: float):
    samples = torch.randn(2, 44100 * 2, generator=torch.Generator().manual_seed(0)) * 0.03
    result = normalise(Audio(samples, 44100), target)
    assert result.loudness == pytest.approx(target, abs=0.01)
    assert integrated_loudness(result.audio) == result.loudness
    torch.testing.assert_close(result.audio.samples, samples * 10 ** (result.gain / 20))


@pytest.mark.parametrize("ceiling", [-1.0, -6.0])
@pytest.mark.parametrize("target", [-23.0, -14.0, 0.0])
def test_the_ceiling_holds(target: float, ceiling: float):
    for audio in (clicks(3), stereo(tone(-3, 1, 12000, phase=math.pi / 4)), Audio(torch.ones(1, 7), 44100)):
        result = normalise(audio, target, ceiling)
        assert result.true_peak <= ceiling
        assert true_peak(result.audio) == result.true_peak


def test_limiting_stays_moderate_and_says_what_was_reached():
    result = normalise(clicks(3), -14)
    assert result.gain == pytest.approx(-1 + 6 - true_peak(clicks(3)))
    assert result.loudness < -14


def test_limiting_touches_only_the_surroundings_of_a_peak():
    samples = torch.randn(2, 44100, generator=torch.Generator().manual_seed(0)) * 0.03
    samples[:, 22050] = 1.0
    result = normalise(Audio(samples, 44100), integrated_loudness(Audio(samples, 44100)) + 3)
    factor = result.audio.samples / samples
    assert factor[:, :21000].std() < 1e-4  # 24 ms before
    assert factor[:, 23100:].std() < 1e-4
    assert factor[0, 22050] < 0.95 * factor[0, 0]


def test_near_silence_is_not_blown_up():
    whisper = torch.randn(2, 44100, generator=torch.Generator().manual_seed(0)) * 10 ** (-66 / 20)
    result = normalise(Audio(whisper, 44100))
    assert result.gain == 30
    assert result.loudness == pytest.approx(integrated_loudness(Audio(whisper, 44100)) + 30, abs=0.01)


def test_every_clip_is_judged_alone():
    quiet, loud = Audio(tone(-50, 1).repeat(2, 1), 48000), Audio(tone(-3, 1).repeat(2, 1), 48000)
    assert normalise(quiet).loudness == pytest.approx(normalise(loud).loudness, abs=0.01)
