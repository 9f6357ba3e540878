"""The published model: 518 million parameters that hear of the picture from three large encoders.

Shapes: W windows, V video tokens, Y sync tokens, T latent frames.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from prismaudio.backends.base import SyncEncoder, TextEncoder, VideoEncoder
from prismaudio.data.features import ClipFeatures
from prismaudio.dimensions.arms import arm_text
from prismaudio.dimensions.plan import Plan, Style
from prismaudio.dimensions.window import window
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import Fit
from prismaudio.generation.long import WINDOW, Layout
from prismaudio.generation.mastering import Mastered, Take, as_released, levelled
from prismaudio.generation.model import Clip, Wording, covering, seconds_of
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import Film
from prismaudio.generation.watch import Eyes, Seen, Watcher
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, Prepared
from prismaudio.models.lengths import SYNC_RATE, VIDEO_RATE, latent_frames, sync_frames, video_frames
from prismaudio.models.oobleck import OobleckVAE, decoder_reach
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.stages import Report
from prismaudio.types import Frames


class Encoders(NamedTuple):
    """What the published model was trained to read."""

    video: VideoEncoder
    sync: SyncEncoder
    text: TextEncoder


class Heard(NamedTuple):
    """One window of a film, as the encoders tell of it."""

    video: Tensor  # (V, 1024)
    sync: Tensor  # (Y, 768)


class Watched(NamedTuple):
    """A whole film."""

    windows: tuple[Heard, ...]
    seen: Seen | None  # what the planner needs; None where a plan is given


@dataclass(frozen=True)
class PublishedModel:
    """A `Model` over the published transformer and codec, or smaller ones of their shape.

    `released` is the authors' program to the letter: sync features replaced by one constant (spec model.md, B1),
    lengths rounded, levels as `mastering.as_released`. Without it sync is heard, as in training.
    """

    dit: ConditionedDiT
    codec: OobleckVAE
    encoders: Encoders
    eyes: Eyes
    planner: EmbeddedPlanner
    fit: Fit
    style: Style = "tagged"
    released: bool = False

    name: ClassVar[str] = "published"
    guidance: ClassVar[float] = 5.0

    def arrange(self, engine: Engine) -> None:
        """The codec runs in float16 on CUDA, as in the released program; its activations in float32 everywhere."""
        half = engine.device.type == "cuda" and not engine.released
        self.dit.to(self.fit.home("transformer", engine.device), engine.dtype)
        self.codec.to(self.fit.home("decoder", engine.device), torch.float16 if half else torch.float32)

    @property
    def piece(self) -> int:
        """The work of the decoder counts the neighbours that a piece is decoded with."""
        if self.fit.work is None:
            return WINDOW
        return max(1, self.fit.work.decoder - 2 * decoder_reach(self.codec.strides))

    def at_work(self, stage: Literal["transformer", "decoder"]) -> AbstractContextManager[None]:
        return self.fit.at_work(stage, self.dit if stage == "transformer" else self.codec)

    def frames(self, seconds: float) -> int:
        if self.released:
            return latent_frames(seconds, self.codec.sample_rate, self.codec.hop)
        return covering(seconds, seconds_of(self.codec))

    def watch(self, film: Film, clip: Clip, report: Report) -> Watched:
        spans = window_spans(clip, seconds_of(self.codec))
        video = Stretches([span.video for span in spans], self.encoders.video.encode)
        sync = Stretches([span.sync for span in spans], self.encoders.sync.encode)
        watcher = Watcher(self.eyes)
        views = {"video": self.encoders.video.view, "sync": self.encoders.sync.view}
        if clip.thinking:
            views |= watcher.views
        for chunk in film.watch(views, clip.seconds):
            video.add(chunk.frames["video"])
            sync.add(chunk.frames["sync"])
            if clip.thinking:
                watcher.look(chunk.frames)
            report(min(1.0, (chunk.start + chunk.frames["sync"].duration) / clip.seconds))
        pairs = zip(video.finish(), sync.finish(), strict=True)
        return Watched(tuple(Heard(*pair) for pair in pairs), watcher.seen() if clip.thinking else None)

    def think(self, seen: Watched, seconds: float) -> Plan:
        if seen.seen is None:
            raise ValueError("the film was watched without the planner")
        return self.planner.plan(seen.seen.motion, seen.seen.looks, seen.seen.image_classes, seconds)

    def tell(
        self, plan: Plan, seen: Watched | None, layout: Layout, wording: Wording
    ) -> Sequence[ClipFeatures]:
        frame = seconds_of(self.codec)
        texts = [
            wording.caption or self._words(window(plan, start * frame, layout.width * frame), wording)
            for _, start in layout.windows
        ]
        read = {text: self.encoders.text.encode(text) for text in dict.fromkeys(texts)}
        heard = seen.windows if seen is not None else [self._nothing()] * len(texts)
        return [
            ClipFeatures(video, read[text], sync) for text, (video, sync) in zip(texts, heard, strict=True)
        ]

    def prepare(self, features: Features, frames: int) -> Prepared:
        conditions = self.dit.conditioner(features)
        if self.released:
            conditions = self.dit.dit.without_sync(conditions)
        return self.dit.dit.prepare(conditions, frames)

    def master(self, takes: Sequence[Take], options: Options) -> list[Mastered]:
        return as_released(takes) if self.released else levelled(takes, options)

    def backends(self) -> dict[str, str]:
        return {
            "picture": self.encoders.video.name,
            "motion": self.encoders.sync.name,
            "words": self.encoders.text.name,
            "planner": self.planner.name,
            "generator": "prismaudio-dit" + (" as released" if self.released else ""),
            "codec": "oobleck",
        }

    def _words(self, plan: Plan, wording: Wording) -> str:
        return arm_text(plan, wording.arm, wording.seed, self.style)

    def _nothing(self) -> Heard:
        """No tokens at all, which become the zeros that mean absence."""
        return Heard(torch.zeros(0, self.encoders.video.dim), torch.zeros(0, self.encoders.sync.dim))


class Span(NamedTuple):
    """Which pictures a window is told of, as (first, count)."""

    video: tuple[int, int]
    sync: tuple[int, int]


def window_spans(clip: Clip, frame_seconds: float) -> list[Span]:
    """One window is told of the whole clip, as published; more are told of what they cover."""
    layout = clip.layout
    seconds = clip.seconds if len(layout.windows) == 1 else layout.width * frame_seconds
    spans = []
    for _, first in layout.windows:
        start = first * frame_seconds
        spans.append(
            Span(
                video=(round(start * VIDEO_RATE), video_frames(seconds)),
                sync=(round(start * SYNC_RATE), sync_frames(seconds)),
            )
        )
    return spans


class Stretches:
    """Feeds overlapping stretches of a stream of pictures to an encoder, holding no more of it than they need."""

    def __init__(self, spans: Sequence[tuple[int, int]], encode: Callable[[Frames], Tensor]) -> None:
        self._waiting = list(spans)  # (first, count), rising
        self._encode = encode
        self._images: list[np.ndarray] = []
        self._first = 0  # number of the first picture that is held
        self._fps = 0.0
        self._encoded: list[Tensor] = []

    def add(self, frames: Frames) -> None:
        """The next pictures of the stream; stretches that they complete are encoded."""
        self._fps = frames.fps
        self._images += list(frames.images)
        while self._waiting and sum(self._waiting[0]) <= self._first + len(self._images):
            self._next()

    def finish(self) -> Iterator[Tensor]:
        """Everything that was encoded; a stretch beyond the last picture holds it."""
        while self._waiting:
            self._next()
        yield from self._encoded

    def _next(self) -> None:
        first, count = self._waiting.pop(0)
        skipped = min(first - self._first, len(self._images) - 1)
        self._images = self._images[skipped:]
        self._first += skipped
        held = self._images[:count]
        held += [self._images[-1]] * (count - len(held))
        self._encoded.append(self._encode(Frames(np.stack(held), self._fps)))
