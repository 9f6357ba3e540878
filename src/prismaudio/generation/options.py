"""What a user may choose about the making of a sound, and the limits of it."""

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from prismaudio.config import Config
from prismaudio.dimensions.arms import Arm
from prismaudio.planning.base import ENGLISH


class Options(Config):
    """The same for every clip of a batch, the seed excepted."""

    duration: PositiveFloat | None = Field(
        None, allow_inf_nan=False, description="seconds of the picture that get a sound; None is all of it"
    )
    steps: PositiveInt = Field(24, le=1000)
    sampler: Literal["euler", "midpoint", "adams"] = "euler"
    guidance: float | None = Field(
        None, ge=0, le=100, allow_inf_nan=False, description="None is the model's own"
    )
    guided_from: float = Field(
        0.0, ge=0, le=1, description="flow times outside are not guided, at half the cost"
    )
    guided_to: float = Field(1.0, ge=0, le=1)
    language: str = Field(ENGLISH, description="of the words of the plan, where its planner speaks it")
    arm: Arm = Field(Arm.DECOMPOSED, description="how much of the thoughts is told: see dimensions/arms.py")
    loudness: float | None = Field(-23.0, ge=-70, le=0, description="LUFS; None leaves the level as it is")
    true_peak: float = Field(-1.0, ge=-60, le=0, description="dBTP that is not passed")
    sample_rate: Literal[44100, 48000] = 44100

    @model_validator(mode="after")
    def _interval_is_one(self) -> Self:
        if self.guided_from > self.guided_to:
            raise ValueError(f"guided_from {self.guided_from} lies above guided_to {self.guided_to}")
        return self
