"""Weightless proxies find what was planted: offsets, sides, defects; and say nothing where there is nothing."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.proxy_quality import marks, quality
from prismaudio.evaluation.metrics.proxy_spatial import (
    agreement,
    agreement_with_picture,
    listen,
    watch,
)
from prismaudio.evaluation.metrics.proxy_sync import Synchrony, motion_curve, onset_curve, synchrony
from prismaudio.types import Audio, Frames

RATE, FPS, SECONDS = 44_100, 25, 8.0
HITS = (1.0, 1.7, 2.9, 4.2, 4.8, 6.1)


def audio(samples: NDArray[np.float64]) -> Audio:
    return Audio(torch.from_numpy(np.atleast_2d(samples).astype(np.float32)).expand(2, -1).clone(), RATE)


def clicks(late: float = 0.0) -> Audio:
    """Noise that bursts and dies away at each hit."""
    samples = np.zeros(round(SECONDS * RATE))
    rng = np.random.default_rng(0)
    for hit in HITS:
        start = round((hit + late) * RATE)
        burst = rng.normal(0, 0.3, RATE // 2) * np.exp(-np.arange(RATE // 2) / 2000)
        samples[start : start + len(burst)] += burst[: len(samples) - start]
    return audio(samples)


def jumps(x: float = 28.0, pan: float = 0.0) -> Frames:
    """A bright square that jumps at each hit over a textured wall, which slides by `pan` pixels a picture."""
    wall = np.random.default_rng(1).integers(60, 120, (32, 56 * 4)).astype(np.uint8)
    images = np.zeros((round(SECONDS * FPS), 32, 56, 3), np.uint8)
    for k in range(len(images)):
        images[k] = np.roll(wall, -round(pan * k), axis=1)[:, :56, None]
        up = sum(k >= round(hit * FPS) for hit in HITS) % 2
        images[k, 8 + 10 * up : 14 + 10 * up, round(x) - 3 : round(x) + 3] = 250
    return Frames(images, FPS)


@pytest.mark.parametrize("late", [0.0, 0.2, -0.6, 1.0])
def test_the_planted_offset_is_found(late: float) -> None:
    found = synchrony(onset_curve(clicks(late)), motion_curve(jumps()))
    assert found.offset == pytest.approx(late)
    assert found.confidence > 0.5
    assert found.score == pytest.approx((2 - abs(late)) / 4 * found.confidence)


def test_unrelated_sound_and_silence_have_no_synchrony() -> None:
    motion = motion_curve(jumps())
    hiss = audio(np.random.default_rng(3).normal(0, 0.1, round(SECONDS * RATE)))
    assert synchrony(onset_curve(hiss), motion).score < 0.15
    assert synchrony(onset_curve(audio(np.zeros(RATE * 8))), motion) == Synchrony(0, 0)


def delayed(milliseconds: float) -> Audio:
    """Noise that the right ear hears so much later."""
    noise = np.random.default_rng(4).normal(0, 0.1, RATE * 3)
    spectrum = np.fft.rfft(noise)
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(len(noise), 1 / RATE) * milliseconds * 1e-3)
    right = np.fft.irfft(spectrum * phase, len(noise))
    return Audio(torch.from_numpy(np.stack([noise, right]).astype(np.float32)), RATE)


@pytest.mark.parametrize("planted", [0.0, 0.3, -0.5, 0.7])
def test_the_planted_time_difference_is_found_and_exchanging_the_ears_turns_it(planted: float) -> None:
    sound = delayed(planted)
    assert listen(sound).itd == pytest.approx(planted, abs=0.005)
    assert listen(Audio(sound.samples.flip(0), RATE)).itd == pytest.approx(-planted, abs=0.005)


def test_spatial_agreement_falls_by_half_for_half_a_millisecond_or_12_db() -> None:
    there = listen(delayed(0.0))
    assert agreement(there, there) == 1
    assert agreement(listen(delayed(0.25)), there) == pytest.approx(0.75, abs=0.02)
    quieter = Audio(delayed(0.0).samples * torch.tensor([[1.0], [10 ** (-12 / 20)]]), RATE)
    assert listen(quieter).ild == pytest.approx(12, abs=0.01)
    assert agreement(listen(quieter), there) == pytest.approx(0.5, abs=0.01)
    assert np.isnan(agreement(listen(audio(np.zeros(RATE))), there))


def test_one_ear_alone_has_a_level_and_no_delay() -> None:
    alone = listen(Audio(delayed(0.4).samples * torch.tensor([[1.0], [0.0]]), RATE))
    assert alone.itd == 0
    assert alone.ild > 60
    assert alone.azimuths == pytest.approx(-0.5)


def placed(azimuth: float) -> Audio:
    """The clicks at a place between -1 left and 1 right."""
    mono = clicks().samples[0].double().numpy()
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(len(mono), 1 / RATE) * 0.3e-3 * azimuth)
    left, right = (np.fft.irfft(np.fft.rfft(mono) * s, len(mono)) for s in (shift, 1 / shift))
    gains = 10 ** (np.array([-6, 6]) * azimuth / 20)
    return Audio(torch.from_numpy(np.stack([left * gains[0], right * gains[1]]).astype(np.float32)), RATE)


@pytest.mark.parametrize("azimuth", [-0.7, 0.0, 0.7])
def test_sound_where_things_move_agrees_with_the_picture(azimuth: float) -> None:
    movement = watch(jumps(x=27.5 + 27.5 * azimuth))
    seen = np.average(movement.azimuths, weights=movement.energy)
    assert seen == pytest.approx(azimuth, abs=0.1)
    right, wrong = placed(azimuth), placed(-azimuth if azimuth else 1.0)
    assert agreement_with_picture(listen(right), movement, FPS) > 0.9
    assert agreement_with_picture(listen(wrong), movement, FPS) < 0.6


def test_nothing_is_said_of_a_picture_in_which_only_the_camera_moves() -> None:
    wall = np.random.default_rng(1).integers(0, 250, (32, 56 * 4)).astype(np.uint8)
    wall = np.repeat(wall[:, ::4], 4, axis=1)
    images = np.stack([np.roll(wall, -2 * k, axis=1)[:, :56] for k in range(100)])
    movement = watch(Frames(np.repeat(images[..., None], 3, axis=3), FPS))
    still = watch(Frames(np.repeat(images[:1, ..., None], 3, axis=3).repeat(100, axis=0), FPS))
    assert movement.residual < 0.5
    assert np.isnan(agreement_with_picture(listen(placed(0.5)), still, FPS))
    assert np.isnan(agreement_with_picture(listen(placed(0.5)), movement._replace(residual=0.05), FPS))


def test_a_good_sound_scores_high_and_each_defect_is_named() -> None:
    good = clicks()
    time = np.arange(RATE * 4) / RATE
    noise = np.random.default_rng(5).normal(0, 0.1, RATE * 4)
    low = np.sin(2 * np.pi * 100 * time) * 0.1 * (1 + np.sin(2 * np.pi * time))
    clipped = np.clip(good.samples[0].double().numpy() * 40, -0.5, 0.5)
    assert quality(good) > 0.8
    for broken, defect in (
        (audio(noise), "noise"),
        (audio(low), "roll-off"),
        (audio(clipped), "clipping"),
        (audio(good.samples[0].double().numpy() + 0.1), "offset"),
        (audio(good.samples[0].double().numpy() * 1e-3), "level"),
    ):
        found = marks(broken)
        assert min(found, key=found.__getitem__) == defect
        assert found[defect] < 0.2
        assert quality(broken) < 0.75
        assert quality(broken) < quality(good) - 0.1
    assert quality(audio(np.zeros(RATE))) == 0


def test_a_sound_that_is_mostly_silence_is_marked_down() -> None:
    samples = np.zeros(RATE * 8)
    samples[: RATE // 2] = np.random.default_rng(0).normal(0, 0.1, RATE // 2)
    assert marks(audio(samples))["silence"] < 0.2
    samples[RATE : RATE * 5] = np.random.default_rng(1).normal(0, 0.1, RATE * 4)
    assert marks(audio(samples))["silence"] == 1
