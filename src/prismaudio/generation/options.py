"""What a user may choose about the making of a sound, and the limits of it."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from prismaudio.config import Config


class Options(Config):
    """The same for every clip of a batch."""

    duration: PositiveFloat | None = Field(
        None, allow_inf_nan=False, description="seconds of the picture that get a sound; None is all of it"
    )
    seed: int = Field(0, ge=0, lt=2**63)
    steps: PositiveInt = Field(24, le=1000)
    guidance: float = Field(4.0, ge=0, le=100, allow_inf_nan=False)
    loudness: float | None = Field(-23.0, ge=-70, le=0, description="LUFS; None leaves the level as it is")
    true_peak: float = Field(-1.0, ge=-60, le=0, description="dBTP that is not passed")
    sample_rate: Literal[44100, 48000] = 44100
