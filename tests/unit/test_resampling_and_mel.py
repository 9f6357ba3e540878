"""The resampler and the mel filters of other people's judges, against closed forms."""

import math

import numpy as np
import pytest
import torch

from prismaudio.models.mel_filters import htk_filters, slaney_filters
from prismaudio.models.resampling import resample


def tone(hertz: float, rate: int, seconds: float = 0.5) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("zeros", [6, 64])
@pytest.mark.parametrize(("old", "new"), [(44_100, 16_000), (16_000, 44_100), (44_100, 48_000)])
def test_a_tone_is_the_same_tone_at_another_rate(old: int, new: int, zeros: int):
    found = resample(tone(1000, old), old, new, zeros)
    assert found.shape == (math.ceil(0.5 * new),)
    middle = slice(new // 10, 4 * new // 10)
    torch.testing.assert_close(found[middle], tone(1000, new)[middle], atol=5e-3, rtol=0)


def test_the_filter_is_a_windowed_sinc():
    """An impulse comes out as the filter itself: sinc times squared cosine, 0.99 of Nyquist, six zeros a side."""
    impulse = torch.zeros(441)
    impulse[220] = 1
    found = resample(impulse, 2, 1)
    t = (2 * np.arange(len(found)) - 220) / 2 * 0.99
    window = np.where(np.abs(t) < 6, np.cos(t * np.pi / 12) ** 2, 0)
    torch.testing.assert_close(
        found, torch.from_numpy(np.sinc(t) * window * 0.99 / 2).float(), atol=1e-6, rtol=0
    )


def test_what_the_new_rate_cannot_hold_is_gone():
    assert resample(tone(15_000, 44_100), 44_100, 16_000)[800:-800].abs().max() < 5e-3


def test_channels_are_resampled_alone_and_nothing_happens_at_the_same_rate():
    audio = torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(0))
    assert resample(audio, 8000, 8000) is audio
    torch.testing.assert_close(resample(audio, 44_100, 16_000)[1, 2], resample(audio[1, 2], 44_100, 16_000))


def test_htk_triangles_reach_one_at_mels_of_equal_distance():
    filters = htk_filters(40, 100_001, 16_000)
    peaks = filters.argmax(dim=1) * 8000 / 100_000
    mels = 2595 * torch.log10(1 + peaks / 700)
    top = 2595 * math.log10(1 + 8000 / 700)
    torch.testing.assert_close(mels, torch.arange(1, 41) * top / 41, atol=0.2, rtol=0)
    torch.testing.assert_close(filters.amax(dim=1), torch.ones(40), atol=5e-3, rtol=0)
    assert torch.allclose(filters.sum(dim=0)[2000:90_000], torch.ones(88_000), atol=1e-4)


def test_slaney_triangles_have_area_one_and_are_linear_below_1000_hertz():
    filters = slaney_filters(64, 100_001, 32_000, 50.0, 14_000.0)
    spacing = 16_000 / 100_000
    torch.testing.assert_close(filters.sum(dim=1) * spacing, torch.ones(64), atol=1e-3, rtol=0)
    peaks = filters.argmax(dim=1) * spacing
    low = peaks[peaks < 900].diff()
    torch.testing.assert_close(low, low.mean().expand_as(low), atol=2 * spacing, rtol=0)
    ratio = peaks[peaks > 1200][1:] / peaks[peaks > 1200][:-1]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), atol=1e-3, rtol=0)
    step = float(low.mean()) / (200 / 3)
    assert float(ratio.mean()) == pytest.approx(6.4 ** (step / 27), abs=1e-3)
    assert float(peaks[0]) == pytest.approx(50 + step * 200 / 3, abs=2 * spacing)
