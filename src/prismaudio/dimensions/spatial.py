"""Spatial: from where does it sound? The thought places every event between the ears, over time.

Azimuth is screen x: -1 the left edge, 0 the middle, 1 the right edge (stage convention).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from prismaudio.dimensions.thought import Part, Thought
from prismaudio.dimensions.wording import NAME, NUMBER, capital, joined, number

QUESTION = "Where on screen is each sound, does it move from left to right, and how far away is it?"
CENTRE = 0.33  # within it a place is called the centre
SIDES = {"left": -0.7, "center": 0.0, "right": 0.7}  # and the azimuth that each word stands for
FAR, CLOSE = 0.66, 0.2  # distances beyond which a place is called so
DISTANCES = {", far away": 0.8, ", close": 0.1, "": 0.3}
LONGEST_WAY = 5  # sides that are told one by one


class Key(NamedTuple):
    """Where a source is at one moment."""

    time: float  # seconds
    azimuth: float  # -1 to 1


class Place(Part):
    """The path of one event."""

    event: str
    keys: tuple[Key, ...] = Field(min_length=1, description="rising times; straight lines in between")
    distance: float = Field(0.3, ge=0, le=1, description="0 at the camera, 1 at the horizon")

    @model_validator(mode="after")
    def _keys_are_a_path(self) -> Self:
        times = [key.time for key in self.keys]
        if times != sorted(times):
            raise ValueError(f"keys: times {times} must rise")
        for key in self.keys:
            if not -1 <= key.azimuth <= 1:
                raise ValueError(f"keys: azimuth {key.azimuth} is outside -1 (left) to 1 (right)")
        return self

    def azimuth_at(self, seconds: NDArray[np.floating]) -> NDArray[np.floating]:
        """seconds: (n,) -> (n,) azimuth, held before the first key and after the last."""
        times, azimuths = zip(*self.keys, strict=True)
        return np.interp(seconds, times, azimuths)

    def way(self) -> list[str]:
        """The sides that the event visits, one after another: ['left', 'center', 'right']."""
        return way(side(key.azimuth) for key in self.keys)


class SpatialThought(Thought):
    places: tuple[Place, ...] = ()


def side(azimuth: float) -> str:
    return "left" if azimuth < -CENTRE else "right" if azimuth > CENTRE else "center"


def way(sides: Iterable[str]) -> list[str]:
    """Sides without repetition; who goes from one edge to the other comes through the centre."""
    visited: list[str] = []
    for name in sides:
        if visited and {visited[-1], name} == {"left", "right"}:
            visited.append("center")
        if not visited or visited[-1] != name:
            visited.append(name)
    return visited


def render(thought: SpatialThought, names: Mapping[str, str], *, numeric: bool = False) -> str:
    """One paragraph; azimuth over time and distance in numbers, if `numeric`. `names`: event id -> words."""
    if thought.prose is not None:
        return thought.prose
    if not thought.places:
        return _NOWHERE
    return " ".join(_sentence(place, names[place.event], numeric) for place in thought.places)


def _sentence(place: Place, name: str, numeric: bool) -> str:
    place = _rounded(place) if numeric else place
    far = ", far away" if place.distance > FAR else ", close" if place.distance < CLOSE else ""
    numbers = ""
    if numeric:
        keys = ", ".join(f"{number(key.azimuth)} at {number(key.time)} s" for key in place.keys)
        numbers = f" (azimuth {keys}; distance {number(place.distance)})"
    return f"{capital(name)} {_course(place.way())}{far}{numbers}."


def _course(sides: Sequence[str]) -> str:
    if len(sides) == 1:
        return f"comes from the {sides[0]}"
    if len(sides) > LONGEST_WAY:
        ordered = sorted(sides, key=lambda name: SIDES[name])
        return f"moves back and forth between the {ordered[0]} and the {ordered[-1]}"
    first, *through, last = sides
    between = f" through {joined([f'the {name}' for name in through])}" if through else ""
    return f"moves from the {first}{between} to the {last}"


def _rounded(place: Place) -> Place:
    keys = tuple(Key(round(key.time, 2), round(key.azimuth, 2)) for key in place.keys)
    return Place(event=place.event, keys=keys, distance=round(place.distance, 2))


_SIDE = f"the (?:{'|'.join(SIDES)})"
_SENTENCE = re.compile(
    rf"(?P<name>{NAME}) (?P<course>comes from {_SIDE}|moves back and forth between {_SIDE} and {_SIDE}"
    rf"|moves from {_SIDE}(?: through {_SIDE}(?:(?:, {_SIDE})* and {_SIDE})?)? to {_SIDE})"
    rf"(?P<far>, far away|, close)?"
    rf"(?: \(azimuth (?P<keys>{NUMBER} at {NUMBER} s(?:, {NUMBER} at {NUMBER} s)*); distance (?P<distance>\d\.\d\d)\))?"
    r"\."
)
_NOWHERE = "The sound surrounds the listener."


def read(
    text: str, heard: Mapping[str, tuple[float, float]], duration: float
) -> tuple[SpatialThought, int] | None:
    """The thought that the beginning of `text` was rendered from, and where it ends; events go by their names.

    A way without numbers is laid evenly over the seconds in which its event is `heard`: name -> onset and offset.
    """
    if text.startswith(_NOWHERE):
        return SpatialThought(), len(_NOWHERE)
    places: list[Place] = []
    end = 0
    while match := _SENTENCE.match(text, end + bool(places)):  # sentences are one space apart
        event = match["name"].casefold()
        sides = re.findall("|".join(SIDES), match["course"])
        if match["course"].startswith("moves back and forth"):
            sides *= LONGEST_WAY
        keys = _numbered(match["keys"]) or laid(sides, *heard.get(event, (0.0, duration)))
        distance = float(match["distance"]) if match["distance"] else DISTANCES[match["far"] or ""]
        places.append(Place(event=match["name"], keys=keys, distance=distance))
        end = match.end()
    return (SpatialThought(places=tuple(places)), end) if places else None


def _numbered(text: str | None) -> tuple[Key, ...]:
    """'-0.80 at 1.00 s, ...' -> keys"""
    pairs = re.findall(rf"({NUMBER}) at ({NUMBER}) s", text or "")
    return tuple(Key(float(time), float(azimuth)) for azimuth, time in pairs)


def laid(sides: Sequence[str], start: float, end: float) -> tuple[Key, ...]:
    """A way over `sides` from `start` to `end`, evenly."""
    visited = way(sides)
    if len(visited) == 1:
        return (Key(0.0, SIDES[visited[0]]),)
    times = np.linspace(start, end, len(visited))
    return tuple(Key(float(time), SIDES[name]) for time, name in zip(times, visited, strict=True))


def reward(closeness: Tensor) -> Tensor:
    """(B,) how close it is to where it should be -> (B,) 0 to 1; NaN where nothing has a place"""
    return closeness.clamp(0, 1)


def published_reward(crw_off: Tensor, gcc_off: Tensor) -> Tensor:
    """Seconds by which the mean delays of StereoCRW and GCC-PHAT miss the reference's, (B,) each -> (B,), at most 0:
    -(1.25 d_crw^2 + 2.5 d_gcc^2) with d in ms (spec rewards.md 1.4). One sound far off outweighs all others.
    """
    return -(1.25 * (1e3 * crw_off).square() + 2.5 * (1e3 * gcc_off).square())
