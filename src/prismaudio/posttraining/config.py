"""The settings of a post-training run; the defaults are the published recipe (spec rl.md sections 2 and 4)."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from prismaudio.config import Config
from prismaudio.posttraining.balance import BalanceConfig


class Guidance(Config):
    """Scales of classifier-free guidance. 1 costs one evaluation; training without it distils it."""

    sampling: float = 5.0
    training: float = 5.0
    reference: float = 5.0


class WindowConfig(Config):
    """A window of noisy steps instead of that of the algorithm, if it has one."""

    width: PositiveInt = Field(2, description="steps")
    since: float = Field(0.0, ge=0, le=1, description="share of the path at which it may first begin")
    within: float = Field(0.5, ge=0, le=1, description="and last")


class Adapters(Config):
    """Train low-rank adapters instead of the whole network."""

    rank: PositiveInt = 32
    alpha: PositiveFloat = 64.0


class PostTrainingConfig(Config):
    algorithm: str = Field("fast-grpo", description="one of algorithm.ALGORITHMS")
    iterations: PositiveInt = Field(100, description="rounds of sampling, scoring and learning")
    window: WindowConfig | None = Field(None, description="of noisy steps; None: as the algorithm has it")
    prompts: PositiveInt = Field(48, description="per iteration")
    group: int = Field(16, ge=2, description="sounds per prompt that are compared")
    starts: PositiveInt | None = Field(
        None,
        description="initial noises of a group, the algorithm's own by default; with 1 sounds differ by nothing but "
        "what is learned from; of no meaning to nft and awm, whose sounds differ by their starts alone",
    )
    steps: PositiveInt = Field(24, description="of the sampler")
    tail: float | None = Field(
        None,
        gt=0,
        le=1,
        description="after the noisy steps, this share of the steps left, of second order (MixGRPO-Flash: 0.4); "
        "None: all of them, unless the algorithm has a tail",
    )
    schedule: Literal["linspace", "diffusers"] = Field("linspace", description="as the model will be used")
    guidance: Guidance = Guidance()
    rewards: dict[str, float] = Field(
        {"semantic": 1.0, "temporal": 0.6, "aesthetic": 0.1, "spatial": 0.4}, description="name -> weight"
    )
    balance: BalanceConfig = BalanceConfig()
    advantage_limit: PositiveFloat = 5.0

    updates: PositiveInt = Field(2, description="optimiser steps per iteration; the first is on-policy")
    learning_rate: PositiveFloat = Field(1e-5, description="1e-4 suits adapters")
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 1e-4
    clip_norm: PositiveFloat = 1.0
    adapters: Adapters | None = None

    reference_weight: NonNegativeFloat = Field(0.04, description="pull to the start model; 0 needs none")
    reference_measure: Literal["x", "v"] = Field(
        "x", description="KL of a step as published, or of velocities"
    )
    reference_dtype: Literal["float32", "bfloat16"] = "float32"
    reference_device: str | None = Field(None, description="where its weights rest; default: the policy's")
    average_decay: float = Field(0.9, ge=0, lt=1, description="most of the slow average that is kept")
    average_every: PositiveInt = Field(8, description="optimiser steps")
    old_decay: float = Field(0.5, ge=0, lt=1, description="of the sampling average of nft")

    sampling_batch: PositiveInt = Field(64, description="sounds made together")
    micro_batch: PositiveInt = Field(16, description="items per forward and backward pass; changes no result")
    sharded: bool = Field(False, description="split weights, gradients and optimiser over the team (FSDP)")
    precision: Literal["no", "bf16"] = "no"
    seed: NonNegativeInt = 0
    checkpoint_every: PositiveInt = 10
