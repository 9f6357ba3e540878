"""The shipped model is driven by the same loop as the tiny ones."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.generation.loading import load_embedded
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Wording
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.posttraining.config import Adapters, Guidance, PostTrainingConfig
from prismaudio.posttraining.dit_policy import DiTPolicy, Told, TooLong
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.trainer import Trainer
from prismaudio.types import Audio

SECONDS = 2.0
PLANS = [
    Plan(
        duration=SECONDS,
        semantic=SemanticThought(events=(Event(id="s1", sound=sound, label=label),)),
        temporal=TemporalThought(spans=(Span(event="s1", onset=0.2, offset=1.8),)),
    )
    for sound, label in (("a dog barking", "dog"), ("rain falling", "rain"))
]


class Leftward:
    """How much of the energy comes from the left loudspeaker: 0 to 1."""

    names = ("leftward",)

    def __call__(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        energy = torch.stack([sound.samples.square().sum(dim=1) for sound in sounds])
        return energy[:, :1] / energy.sum(dim=1, keepdim=True)


def config(**changes: object) -> PostTrainingConfig:
    values = {
        "prompts": 2,
        "group": 4,
        "steps": 6,
        "guidance": Guidance(sampling=1, training=1, reference=1),
        "rewards": {"leftward": 1.0},
        "learning_rate": 3e-4,
        "reference_weight": 0.0,
        "sampling_batch": 8,
        "micro_batch": 8,
        **changes,
    }
    return PostTrainingConfig.model_validate(values)


@pytest.fixture
def made() -> tuple[DiTPolicy, Heard]:
    model = load_embedded()
    return DiTPolicy.of(model, [Told(plan) for plan in PLANS], SECONDS), Heard(model.codec, Leftward())


def test_the_policy_is_told_what_the_generator_is_told(made: tuple[DiTPolicy, Heard]):
    policy, model = made[0], load_embedded()
    layout = Layout.covering(model.frames(SECONDS))
    for clip, plan in zip(policy.clips, PLANS, strict=True):
        (told,) = model.tell(plan, None, layout, Wording())
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(clip, told, strict=True))
    assert policy.latent_shape == (model.codec.latent_channels, layout.width)
    with pytest.raises(TooLong, match=r"12.0 s are 2 windows"):
        DiTPolicy.of(model, [Told(PLANS[0].model_copy(update={"duration": 12.0}))], 12.0)


def test_the_loop_runs_on_the_shipped_model(made: tuple[DiTPolicy, Heard]):
    run = Trainer(
        *made,
        2,
        config(prompts=1, group=2, steps=4, adapters=Adapters(rank=2, alpha=4), reference_weight=0.04),
    )
    log = run.iterate()
    assert 0 < log["leftward/mean"] < 1
    assert log["leftward/spread"] > 0
    assert log["gradient_norm"] > 0
    assert log["leftward/failed"] == 0
    assert log["ratio_deviation"] < 0.1


class DrawnLeft:
    """How far to the left the latents place their sound, read without playing it: 1 is a source at the far left."""

    names = ("leftward",)

    def __init__(self, codec: MelStereoCodec) -> None:
        self.codec = codec

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        return -self.codec.split(latents)[1].level.mean(dim=(1, 2))[:, None]


@pytest.mark.slow
def test_sounds_move_to_where_they_are_rewarded(made: tuple[DiTPolicy, Heard]):
    """Two plans that say nothing of place; full weights, judged by latents."""
    policy, heard = made
    run = Trainer(policy, DrawnLeft(heard.codec), 2, config(group=8, sampling_batch=16, micro_batch=16))
    log = [run.iterate()["leftward/mean"] for _ in range(12)]
    assert sum(log[-3:]) / 3 > sum(log[:3]) / 3 + 0.1
