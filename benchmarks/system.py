"""The published system with what it is measured on: a film, and what its encoders tell of it.

Shapes: B batch, L text tokens, C latent channels, T latent frames.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import flops
from benchmarks.film import moving_picture
from benchmarks.published_system import Size, build
from prismaudio.dimensions.plan import Plan
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import whole
from prismaudio.generation.mastering import Take
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import open_film
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.published import Heard, PublishedModel, Watched
from prismaudio.generation.sampling import LatentSampler, Request
from prismaudio.generation.watch import watch
from prismaudio.models.conditioning import Features
from prismaudio.models.lengths import TOKENS_PER_SEGMENT, sync_segments
from prismaudio.types import Audio, Frames

WORDS = "something that moves"


class Remembered:
    """A text encoder that has read its one text before."""

    name = "remembered"

    def __init__(self, tokens: Tensor) -> None:
        self.dim = tokens.shape[-1]
        self._tokens = tokens

    def encode(self, text: str) -> Tensor:
        """-> (L, dim)"""
        return self._tokens


class Operations(NamedTuple):
    """Of one sound's diffusion."""

    first: int  # the conditions and the first step
    further: int  # every step more


@dataclass(frozen=True)
class System:
    """Networks and inputs, ready to be measured stage by stage."""

    model: PublishedModel
    size: Size
    engine: Engine
    film: Path

    @classmethod
    def make(cls, size: Size, engine: Engine, folder: Path) -> "System":
        film = moving_picture(folder / "film.mp4", size.seconds, size.picture)
        model = build(size, engine, whole(engine))
        model.arrange(engine)
        return cls(model, size, engine, film)

    @property
    def frames(self) -> int:
        """Latent frames of the film's sound."""
        return self.model.frames(self.size.seconds)

    @cached_property
    def shown(self) -> dict[str, Frames]:
        """What the encoders see of the film: "video" and "sync"."""
        return self.decode()

    def decode(self) -> dict[str, Frames]:
        """From the file to pictures of the encoders' sizes."""
        encoders = self.model.encoders
        views = {"video": encoders.video.view, "sync": encoders.sync.view}
        (chunk,) = open_film(self.film).watch(views, self.size.seconds)
        return chunk.frames

    def think(self) -> Plan:
        """From the file to the plan: the embedded planner looks with eyes of its own, and decodes for them."""
        seen = watch(open_film(self.film), self.model.eyes, self.size.seconds, ignore)
        return self.model.planner.plan(seen.motion, seen.looks, seen.image_classes, self.size.seconds)

    def pipeline(self, machinery: str) -> VideoToAudio:
        """The system as users call it."""
        return VideoToAudio(self.model, self.engine._replace(machinery=machinery))

    def generator(self, machinery: str) -> LatentSampler:
        """The sampler of the pipeline; texts cost it nothing, so that it is measured by itself."""
        text = Remembered(self.features(1).text[0])
        model = replace(self.model, encoders=self.model.encoders._replace(text=text))
        return VideoToAudio(model, self.engine._replace(machinery=machinery)).sampler

    @cached_property
    def operations(self) -> Operations:
        """Counted where no graph or compiled code hides them; each by an engine that has computed nothing before."""
        one, two = (
            flops.count(partial(self.generator("eager"), self.requests(1), Options(steps=steps), ignore))
            for steps in (1, 2)
        )
        return Operations(first=one, further=two - one)

    def features(self, batch: int) -> Features:
        """Random ones, as many as the film gives."""
        encoders, shown = self.model.encoders, self.shown
        sync_count = TOKENS_PER_SEGMENT * sync_segments(self.size.seconds)
        return Features(
            self._random(batch, len(shown["video"].images), encoders.video.dim),
            self._random(batch, self.size.tokens, encoders.text.dim),
            self._random(batch, sync_count, encoders.sync.dim),
        )

    def requests(self, batch: int) -> list[Request]:
        """So many different sounds of the film's length."""
        features, seconds = self.features(batch), self.size.seconds
        seen = [Watched((Heard(*pair),), None) for pair in zip(features.video, features.sync, strict=True)]
        return [Request(Plan(duration=seconds), one, seconds, seed) for seed, one in enumerate(seen)]

    def latents(self, batch: int) -> Tensor:
        """(B, C, T)"""
        return self._random(batch, self.model.codec.latent_channels, self.frames)

    def take(self) -> Take:
        """A sound as the codec plays it: noise."""
        codec = self.model.codec
        noise = 0.1 * self._random(2, self.frames * codec.hop).cpu()
        return Take(Audio(noise, codec.sample_rate), Plan(duration=self.size.seconds), self.size.seconds)

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.engine.device)


def ignore(share: float) -> None:
    """Nobody wants to know how far it is."""
