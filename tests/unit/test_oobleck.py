"""The waveform codec at sizes and strides the golden files do not cover."""

import pytest
import torch
from torch import Tensor

from prismaudio.models.codec import Codec
from prismaudio.models.oobleck import OobleckVAE, Posterior, decoder_reach
from prismaudio.models.weight_norm import add_weight_norm, fold_weight_norm

PUBLISHED_STRIDES = (2, 4, 4, 8, 8)


def codec(strides: tuple[int, ...]) -> OobleckVAE:
    torch.manual_seed(0)
    return OobleckVAE(2, 4, (1,) * len(strides), strides, latent_channels=3, sample_rate=44_100).eval()


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_nine_seconds_are_193_frames_of_signal_and_194_with_their_end():
    vae, audio = codec(PUBLISHED_STRIDES), torch.zeros(1, 2, 396_900)
    assert vae.posterior(audio).mean.shape == (1, 3, 193)
    assert vae.encode(audio).shape == (1, 3, 194)


@torch.no_grad()
def test_it_keeps_the_promise_of_a_codec():
    vae: Codec = codec((2, 4))
    latents = vae.encode(normal(1, 2, 41))
    assert latents.shape == (1, vae.latent_channels, 6)
    assert vae.decode(latents).shape == (1, 2, 6 * vae.hop)


@torch.no_grad()
def test_an_odd_stride_loses_its_last_sample():
    assert codec((5,)).decode(normal(1, 3, 7)).shape[-1] == 5 * 7 - 1


def test_ten_frames_to_each_side_reach_a_sample_of_the_published_decoder():
    assert decoder_reach(PUBLISHED_STRIDES) == 10


@pytest.mark.parametrize("strides", [(2, 4, 4), (5,), (3, 2)])
@torch.no_grad()
def test_no_frame_beyond_the_reach_changes_a_sample(strides: tuple[int, ...]):
    vae, reach, latents = codec(strides).double(), decoder_reach(strides), normal(1, 3, 41).double()
    changed = latents.clone()
    changed[..., 20] += 1
    touched = (vae.decode(changed) != vae.decode(latents)).any(dim=1)[0].nonzero()
    assert touched.min() >= (20 - reach) * vae.hop
    assert touched.max() < (20 + reach + 1) * vae.hop


@pytest.mark.parametrize("strides", [(2, 4, 4), (5,), (3, 2)])
@pytest.mark.parametrize("frames", [1, 6, 39, 80])
@torch.no_grad()
def test_chunks_join_to_the_whole_sound(strides: tuple[int, ...], frames: int):
    vae, latents = codec(strides).double(), normal(2, 3, 40).double()
    torch.testing.assert_close(
        torch.cat(list(vae.decode_pieces(latents, frames)), dim=-1), vae.decode(latents)
    )


@torch.no_grad()
def test_weight_norm_comes_and_goes_without_a_trace():
    vae, latents = codec((2, 4)), normal(1, 3, 5)
    plain, names = vae.decode(latents), list(vae.state_dict())
    add_weight_norm(vae)
    torch.testing.assert_close(vae.decode(latents), plain)
    fold_weight_norm(vae)
    torch.testing.assert_close(vae.decode(latents), plain)
    assert sorted(vae.state_dict()) == sorted(names)


def test_a_standard_normal_belief_costs_nothing():
    assert Posterior(torch.zeros(2, 3, 4), torch.ones(2, 3, 4)).divergence() == 0
    assert Posterior(torch.ones(2, 3, 4), torch.ones(2, 3, 4)).divergence() == 3


def test_samples_spread_around_the_mean():
    drawn = Posterior(torch.full((1, 1, 20_000), 3.0), torch.full((1, 1, 20_000), 0.5)).sample(
        torch.Generator().manual_seed(0)
    )
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)
