"""Positions, times and stretched tokens."""

import pytest
import torch
from torch.nn import functional as F

from prismaudio.models.embeddings import Rotary, TimeEmbedding, TokenMLP, resample, rotate

CPU = torch.device("cpu")


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_turn_is_a_multiplication_of_complex_numbers():
    x, rotation = normal(1, 1, 6, 64), Rotary(64)(6, CPU)
    turned = rotate(x, rotation)
    angle = torch.arange(6)[:, None] * 10_000 ** (-torch.arange(16) / 16)
    expected = torch.complex(x[..., :16], x[..., 16:32]) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(torch.complex(turned[..., :16], turned[..., 16:32]), expected)
    assert torch.equal(turned[..., 32:], x[..., 32:])


def test_turned_vectors_meet_by_their_distance_alone():
    q, k, rotation = normal(1, 1, 1, 64), normal(1, 1, 1, 64).flip(-1), Rotary(64)(12, CPU)
    near, far = (
        (rotate(q, rotation[:, i : i + 1]) * rotate(k, rotation[:, i + 3 : i + 4])).sum() for i in (0, 8)
    )
    torch.testing.assert_close(near, far)


@pytest.mark.parametrize(("head_width", "turned"), [(32, 32), (64, 32), (128, 64)])
def test_half_of_a_head_turns_but_no_less_than_32(head_width: int, turned: int):
    assert Rotary(head_width)(3, CPU).shape == (2, 3, turned)


def test_a_head_too_narrow_for_positions_is_refused():
    with pytest.raises(ValueError, match="fewer heads"):
        Rotary(16)


def test_positions_stay_exact_in_half_precision():
    rotation = Rotary(64).bfloat16()(2000, CPU)
    assert rotation.dtype == torch.float32
    torch.testing.assert_close(rotation[0, :, 0], torch.arange(2000).float().cos())


def test_the_time_phase_stays_exact_in_half_precision():
    embedding, t = TimeEmbedding(32), torch.tensor([0.123])
    torch.nn.init.constant_(embedding.frequencies, 64.0)  # eight turns by then; bfloat16 would be off by 0.1
    exact = embedding(t)
    torch.testing.assert_close(embedding.bfloat16()(t).float(), exact, rtol=0.02, atol=0.01)


def test_zero_tokens_stay_zero():
    assert not TokenMLP(5, 7)(torch.zeros(2, 3, 5)).any()


@pytest.mark.parametrize("frames", [1, 4, 9, 10, 11, 40])
def test_tokens_stretch_as_interpolate_does_with_and_without_a_mask(frames: int):
    tokens = normal(2, 10, 3)
    expected = F.interpolate(tokens.mT, frames, mode="linear").mT
    torch.testing.assert_close(resample(tokens, frames), expected)
    torch.testing.assert_close(resample(tokens, frames, torch.ones(2, 10, dtype=torch.bool)), expected)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_padding_does_not_leak_into_a_shorter_clip(length: int):
    tokens = normal(2, 10, 3)
    mask = torch.arange(10) < torch.tensor([10, length])[:, None]
    torch.testing.assert_close(resample(tokens, 25, mask)[1:], resample(tokens[1:, :length], 25))


def test_nothing_stretches_to_zeros():
    assert torch.equal(resample(torch.zeros(2, 0, 3), 4), torch.zeros(2, 4, 3))
