"""Spatial: from where does it sound? The thought places every event between the ears, over time.

Azimuth is screen x: -1 the left edge, 0 the middle, 1 the right edge (stage convention).
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from prismaudio.config import Config

QUESTION = "Where on screen is each sound, does it move from left to right, and how far away is it?"
CENTRE = 0.33  # within it a place is called the centre


class Key(NamedTuple):
    """Where a source is at one moment."""

    time: float  # seconds
    azimuth: float  # -1 to 1


class Place(Config):
    """The path of one event."""

    event: str
    keys: tuple[Key, ...] = Field(min_length=1, description="rising times; straight lines in between")
    distance: float = Field(0.3, ge=0, le=1, description="0 at the camera, 1 at the horizon")

    @model_validator(mode="after")
    def _keys_are_a_path(self) -> Self:
        times = [key.time for key in self.keys]
        if times != sorted(times):
            raise ValueError(f"key times {times} must rise")
        for key in self.keys:
            if not -1 <= key.azimuth <= 1:
                raise ValueError(f"azimuth {key.azimuth} is outside -1 (left) to 1 (right)")
        return self

    def azimuth_at(self, seconds: NDArray[np.floating]) -> NDArray[np.floating]:
        """seconds: (n,) -> (n,) azimuth, held before the first key and after the last."""
        times, azimuths = zip(*self.keys, strict=True)
        return np.interp(seconds, times, azimuths)


class SpatialThought(Config):
    places: tuple[Place, ...] = ()


def side(azimuth: float) -> str:
    return "left" if azimuth < -CENTRE else "right" if azimuth > CENTRE else "center"


def render(thought: SpatialThought, sounds: Mapping[str, str]) -> str:
    """One paragraph; `sounds`: event id -> words."""
    if not thought.places:
        return "The sound surrounds the listener."
    return " ".join(_sentence(place, sounds[place.event]) for place in thought.places)


def _sentence(place: Place, sound: str) -> str:
    sound = sound[0].upper() + sound[1:]
    sides = [side(key.azimuth) for key in place.keys]
    path = [
        sides[0],
        *(later for earlier, later in zip(sides[:-1], sides[1:], strict=True) if later != earlier),
    ]
    far = ", far away" if place.distance > 0.66 else ", close" if place.distance < 0.2 else ""
    if len(path) == 1:
        return f"{sound} comes from the {path[0]}{far}."
    through = " through the center" if {path[0], path[-1]} == {"left", "right"} else ""
    return f"{sound} moves from the {path[0]}{through} to the {path[-1]}{far}."
