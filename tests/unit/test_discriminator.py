"""The critic of codec training and its losses."""

import pytest
import torch
from torch import Tensor

from prismaudio.models.discriminator import (
    Discriminator,
    Opinion,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)


def opinion(logit: float) -> list[Opinion]:
    return [Opinion(torch.full((1, 1, 2, 3), logit), [torch.full((1, 4, 2, 3), logit)])]


def noise(seed: int, batch: int = 4) -> Tensor:
    return 0.1 * torch.randn(batch, 2, 1024, generator=torch.Generator().manual_seed(seed))


def critic() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(audio_channels=2, width=4, fft_sizes=(256, 64))


def test_there_is_one_opinion_per_resolution_and_five_layers_of_features():
    opinions = critic()(noise(0))
    assert [o.logits.shape for o in opinions] == [(4, 1, 17, 17), (4, 1, 65, 5)]
    assert [len(o.features) for o in opinions] == [5, 5]


def test_the_critic_is_content_beyond_the_margin_and_unhappy_when_fooled():
    assert discriminator_loss(opinion(1.5), opinion(-1.5)) == 0
    assert discriminator_loss(opinion(0.0), opinion(0.0)) == 2
    assert discriminator_loss(opinion(-1.0), opinion(1.0)) == 4


def test_the_decoder_wants_to_be_called_real():
    assert adversarial_loss(opinion(2.0)) < adversarial_loss(opinion(-2.0))


def test_equal_features_match():
    assert feature_matching_loss(opinion(2.0), opinion(2.0)) == 0
    assert feature_matching_loss(opinion(2.0), opinion(3.0)).item() == pytest.approx(0.5)


def test_the_recording_is_not_taught_to_match_the_decoder():
    audio = noise(0).requires_grad_()
    judge = critic()
    (gradient,) = torch.autograd.grad(
        feature_matching_loss(judge(audio), judge(noise(1).requires_grad_())), audio, allow_unused=True
    )
    assert gradient is None


def test_swapped_channels_are_noticed():
    loud_left = noise(0) * torch.tensor([1.0, 0.1])[:, None]
    heard, swapped = critic()(loud_left), critic()(loud_left.flip(1))
    assert (heard[0].logits - swapped[0].logits).abs().max() > 1e-4


def test_the_critic_learns_to_tell_a_tone_from_noise_and_the_tone_learns_from_it():
    judge = critic()
    tone = 0.1 * torch.sin(torch.arange(1024) * 0.3).expand(4, 2, 1024)
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-2)
    for step in range(30):
        loss = discriminator_loss(judge(noise(step)), judge(tone))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    made = tone.clone().requires_grad_()
    (direction,) = torch.autograd.grad(adversarial_loss(judge(made)), made)
    assert adversarial_loss(judge(tone - 0.05 * direction.sign())) < adversarial_loss(judge(tone))
