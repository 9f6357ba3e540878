"""The transformer as a policy, and sounds as judges hear them."""

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from prismaudio.data.features import ClipFeatures, collate
from prismaudio.flow.sampler import guided
from prismaudio.media.loudness import integrated_loudness
from prismaudio.models.dit import ConditionedDiT
from prismaudio.posttraining.config import Adapters, Guidance, PostTrainingConfig
from prismaudio.posttraining.dit_policy import DiTPolicy
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.trainer import Trainer
from prismaudio.types import Audio

FRAMES, CHANNELS = 11, 5


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clip(seed: int) -> ClipFeatures:
    """Of differing numbers of tokens."""
    return ClipFeatures(
        normal(3 + seed, 6, seed=seed), normal(7 - seed, 7, seed=seed + 9), normal(16, 8, seed=seed)
    )


def policy() -> DiTPolicy:
    torch.manual_seed(0)
    model = ConditionedDiT(
        latent_channels=CHANNELS, width=64, depth=1, heads=2, video_dim=6, text_dim=7, sync_dim=8
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.06 if parameter.ndim > 1 else 1.0)
    return DiTPolicy(model, [clip(0), clip(1), clip(2)], FRAMES)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@torch.no_grad()
def test_every_sound_hears_of_its_own_clip(guidance: float):
    made, prompts, rows = policy(), [2, 0], torch.tensor([0, 1, 1, 0])
    x, t = normal(4, CHANNELS, FRAMES, seed=5), torch.tensor([0.2, 0.4, 0.6, 0.8])
    ours = made(x, t, made.conditions(prompts), rows, guidance)
    for row, prompt in enumerate([2, 0, 0, 2]):
        prepared = made.model.prepare(collate([clip(prompt)]), FRAMES)
        dit = made.model.dit
        flow = guided(partial(dit, prepared=prepared), partial(dit, prepared=None), guidance)
        torch.testing.assert_close(ours[row : row + 1], flow(x[row : row + 1], t[row]), rtol=1e-3, atol=1e-3)


class Quiet:
    """Rewards latents that are near zero, and ones that do not change in time."""

    names = ("quiet", "steady")

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        return -torch.stack(
            [latents.abs().mean(dim=(1, 2)), latents.diff(dim=2).abs().mean(dim=(1, 2))], dim=1
        )


@pytest.mark.parametrize("adapters", [None, Adapters(rank=2, alpha=4)])
def test_a_transformer_learns_what_is_rewarded(adapters: Adapters | None):
    config = PostTrainingConfig(
        prompts=3,
        group=8,
        steps=4,
        guidance=Guidance(sampling=2, training=2, reference=2),
        rewards={"quiet": 1.0, "steady": 0.5},
        learning_rate=1e-3 if adapters is None else 5e-3,
        adapters=adapters,
        reference_weight=0.001,
        sampling_batch=24,
        micro_batch=48,
    )
    run = Trainer(policy(), Quiet(), 3, config)
    log = [run.iterate() for _ in range(8)]
    assert log[0]["ratio_deviation"] > 0
    assert sum(entry["quiet/mean"] for entry in log[-3:]) > sum(entry["quiet/mean"] for entry in log[:3])
    trained = {name for name, value in run.policy.named_parameters() if value.requires_grad}
    assert all(("up" in name or "down" in name) == (adapters is not None) for name in trained)


class Echo:
    """A codec whose latents are its samples."""

    sample_rate, latent_channels, hop = 44_100, 2, 1

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return audio

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def decode_pieces(self, latents: Tensor, frames: int):
        yield latents


class Meter:
    names = ("loudness",)

    def __call__(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        assert len(sounds) == len(prompts)
        return torch.tensor([[integrated_loudness(sound)] for sound in sounds])


def test_every_sound_is_heard_at_one_level_whatever_its_company():
    quiet, loud = (level * normal(2, 44_100, seed=1) for level in (0.01, 0.2))
    together = Heard(Echo(), Meter(), together=1)(torch.stack([quiet, loud]), [0, 1])
    torch.testing.assert_close(together[:, 0], torch.tensor([-23.0, -23.0]), rtol=0, atol=0.1)
    alone = Heard(Echo(), Meter())(quiet[None], [0])
    assert torch.equal(alone[0], together[0])
    untouched = Heard(Echo(), Meter(), loudness=None)(torch.stack([quiet, loud]), [0, 1])
    assert untouched[1, 0] - untouched[0, 0] == pytest.approx(26.0, abs=0.1)
