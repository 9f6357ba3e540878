"""The needs of the generator and of those who judge it, each a promise that embedded and pretrained models keep alike.

Shapes: V video tokens, L text tokens, Y sync tokens; B sounds, N samples, D width.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from prismaudio.backends.synchrony import Synchrony
from prismaudio.errors import PrismAudioError
from prismaudio.media.preprocess import View
from prismaudio.models.sketch import Sketch
from prismaudio.types import Audio, Frames


class VideoEncoder(Protocol):
    """What is on screen, several times a second."""

    @property
    def name(self) -> str: ...

    @property
    def view(self) -> View:
        """How often and how large it wants to see the film."""
        ...

    @property
    def dim(self) -> int: ...

    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (V, dim) float32, one token per frame"""
        ...


class SyncEncoder(Protocol):
    """When things move, at a rate that sound can follow."""

    @property
    def name(self) -> str: ...

    @property
    def view(self) -> View: ...

    @property
    def dim(self) -> int: ...

    def encode(self, frames: Frames) -> Tensor:
        """frames seen through `view` -> (Y, dim) float32, rising in time; how many is the encoder's own"""
        ...


class TextEncoder(Protocol):
    """Words as vectors."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, text: str) -> Tensor:
        """-> (L, dim) float32, one row per token; L may be 0"""
        ...


class Sounds(NamedTuple):
    """Sounds of one length, to be judged together."""

    samples: Tensor  # (B, channels, N) float32, full scale is -1 to 1
    sample_rate: int
    sketch: Sketch | None = (
        None  # of sounds that were never played: samples are then the envelopes of the ears
    )

    @property
    def mono(self) -> Tensor:
        """(B, N), the mean of the channels"""
        return self.samples.mean(dim=1)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[-1] / self.sample_rate

    @classmethod
    def together(cls, audios: Sequence[Audio]) -> Self:
        """Sounds of the same length, channels and rate."""
        rates = {audio.sample_rate for audio in audios}
        shapes = {tuple(audio.samples.shape) for audio in audios}
        if len(rates) != 1 or len(shapes) != 1:
            raise UnlikeSounds(
                f"sounds to be judged together must be alike, got rates {sorted(rates)} and shapes {sorted(shapes)}; "
                "judge them one by one, or cut them to one length"
            )
        return cls(torch.stack([audio.samples for audio in audios]), rates.pop())


class UnlikeSounds(PrismAudioError):
    """Sounds of several lengths, rates or numbers of channels in one batch."""


class Unjudgeable(PrismAudioError):
    """A sound or a film about which a judge cannot say anything, such as one that is too short."""


class Judge(Protocol):
    """Somebody with an opinion on sounds: deterministic, and of each as if it were judged alone."""

    @property
    def name(self) -> str: ...

    @property
    def versions(self) -> Mapping[str, str]:
        """What an opinion rests on: the weights' SHA-256, how the input is prepared, which reading is meant."""
        ...


class AudioTextJudge(Judge, Protocol):
    """Does it sound like these words?"""

    @property
    def sharpness(self) -> float:
        """By which it multiplied cosines when it learned to tell pairs."""
        ...

    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, D) of length 1, on the judge's device"""
        ...

    def read(self, texts: Sequence[str]) -> Tensor:
        """-> (len(texts), D) of length 1"""
        ...

    def truncated(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """Which of these texts are longer than what is read of them."""
        ...

    def score(self, sounds: Sounds, texts: Sequence[str]) -> Tensor:
        """One text a sound -> (B,), higher is closer"""
        ...


class SyncJudge(Judge, Protocol):
    """How much too early or late is the sound?"""

    @property
    def view(self) -> View: ...

    def score(self, sounds: Sounds, frames: Frames) -> Synchrony:
        """Many sounds for one film, seen through `view`; `Unjudgeable` if either is too short."""
        ...


class QualityJudge(Judge, Protocol):
    """How good does it sound?"""

    @property
    def axes(self) -> tuple[str, ...]: ...

    def score(self, sounds: Sounds) -> Tensor:
        """-> (B, len(axes)), in the judge's own units"""
        ...


class SeenPlaceJudge(Judge, Protocol):
    """Does it come from where it is seen?"""

    @property
    def view(self) -> View: ...

    def score(self, sounds: Sounds, frames: Frames) -> Tensor:
        """Many sounds for one film, seen through `view` -> (B,) 0 to 1; NaN if nothing seen sounds"""
        ...


class SpatialJudge(Judge, Protocol):
    """Does it come from where the reference comes from?"""

    def delays(self, sounds: Sounds) -> Tensor:
        """-> (B, T) seconds by which the right channel lags; NaN at moments without a direction"""
        ...

    def score(self, sounds: Sounds, references: Sounds) -> Tensor:
        """references: B, or one for all -> (B,) 0 to 1; NaN where it is mono or silent and has no direction to keep"""
        ...
