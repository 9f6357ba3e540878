"""What a waveform codec minimises hears level, spectrum and direction."""

import pytest
import torch
from torch import Tensor

from prismaudio.models.spectral_loss import mid_side, spectral_loss, stereo_spectral_loss


def noise(seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(2, 2, 4096, generator=torch.Generator().manual_seed(seed))


def test_equal_sounds_are_at_distance_zero_with_a_gradient():
    estimate = noise().requires_grad_()
    loss = stereo_spectral_loss(noise(), estimate)
    (gradient,) = torch.autograd.grad(loss, estimate)
    assert loss == 0
    assert gradient.isfinite().all()


def test_it_grows_with_the_error_of_level():
    sound = noise()
    distances = [float(stereo_spectral_loss(sound, level * sound)) for level in (0.9, 0.5, 0.25, 0.0)]
    assert distances == sorted(distances)
    assert distances[0] > 0.1


def test_half_as_loud_costs_half_the_spectrum_and_the_logarithm_of_two():
    tone = noise()
    expected = 0.5 + torch.tensor(2.0).log()
    torch.testing.assert_close(spectral_loss(tone, 0.5 * tone), expected, rtol=0.01, atol=0)


def test_loudness_matters_only_as_a_ratio():
    near, far = stereo_spectral_loss(noise(), noise(1)), stereo_spectral_loss(5 * noise(), 5 * noise(1))
    torch.testing.assert_close(near, far, rtol=0.01, atol=0)


def test_left_and_right_notice_a_swap_and_only_mid_and_side_a_polarity():
    sound = noise() * torch.tensor([1.0, 0.3])[:, None]
    swapped, inverted = sound.flip(1), sound * torch.tensor([1.0, -1.0])[:, None]
    assert spectral_loss(sound, swapped) > 0.5
    assert spectral_loss(mid_side(sound), mid_side(swapped)) == pytest.approx(0, abs=1e-4)
    assert spectral_loss(sound, inverted) == pytest.approx(0, abs=1e-4)
    assert spectral_loss(mid_side(sound), mid_side(inverted)) > 0.2
    assert min(stereo_spectral_loss(sound, swapped), stereo_spectral_loss(sound, inverted)) > 0.1


def test_a_delay_between_the_ears_is_noticed():
    left = noise()[:, :1]
    centred, late = left.expand(-1, 2, -1), torch.cat([left, left.roll(20, dims=-1)], dim=1)
    assert stereo_spectral_loss(late, centred) > 3 * spectral_loss(late, centred)


def test_a_faint_side_of_a_centred_sound_costs_little_convergence():
    """The side of a centred sound is silent: measured alone, any side would be infinitely far from it."""
    centred = noise()[:, :1].expand(-1, 2, -1)
    assert stereo_spectral_loss(centred, centred + 1e-5 * noise(1)) < 0.1


def test_silence_is_a_finite_distance_from_sound_with_a_finite_gradient():
    estimate = torch.zeros(2, 2, 4096, requires_grad=True)
    for reference in (noise(), torch.zeros(2, 2, 4096)):
        loss = stereo_spectral_loss(reference, estimate)
        (gradient,) = torch.autograd.grad(loss, estimate)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_mid_and_side_keep_the_energy_and_are_their_own_inverse():
    sound = noise()
    torch.testing.assert_close(mid_side(mid_side(sound)), sound)
    torch.testing.assert_close(mid_side(sound).norm(), sound.norm())
