"""From the plan and the picture to the latents of a sound: conditions for every window, then the flow.

Shapes: C latent channels, L latent frames of the sound, T of a window.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prismaudio.backends.embedded.text import WordTable
from prismaudio.data.features import ClipFeatures, collate, describe
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.window import window
from prismaudio.errors import PrismAudioError
from prismaudio.flow.sampler import Velocity, guided, time_grid, trajectory
from prismaudio.generation.engine import Engine
from prismaudio.generation.loading import EmbeddedModel
from prismaudio.generation.long import GROUP, Layout, blended
from prismaudio.generation.options import Options
from prismaudio.generation.prompting import negative_plan, without_avoid
from prismaudio.generation.watch import Seen
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import Prepared

MOTION_FPS = 25
PICTURE_FPS = 4


class GenerationFailed(PrismAudioError):
    """The sampler left the numbers it can work with."""


class LatentSampler:
    """One embedded model on one engine."""

    def __init__(self, model: EmbeddedModel, engine: Engine) -> None:
        self.dit = model.dit.to(engine.device, engine.dtype)
        self.words = model.words
        self.engine = engine
        self.channels = model.codec.latent_channels
        self.frame_seconds = model.codec.hop / model.codec.sample_rate

    @torch.no_grad()
    def __call__(
        self, plan: Plan, seen: Seen, seconds: float, options: Options, report: Callable[[float], None]
    ) -> Tensor:
        """-> (1, C, L) float32 on the engine's device, enough frames to cover `seconds`."""
        frames = max(1, math.ceil(seconds / self.frame_seconds - 1e-6))
        flow = self.flow(plan, seen, Layout.covering(frames), options.guidance)
        generator = torch.Generator().manual_seed(options.seed)  # on the CPU: the same noise everywhere
        x = torch.randn(1, self.channels, frames, generator=generator).to(self.engine.device)
        for number, point in enumerate(trajectory(flow, x, time_grid(options.steps)), start=1):
            x = point
            report(number / options.steps)
        if not bool(x.isfinite().all()):
            raise GenerationFailed("the sound is not finite; lower --guidance, or use --dtype float32")
        return x

    def flow(self, plan: Plan, seen: Seen, layout: Layout, guidance: float) -> Velocity:
        """The velocity of the whole sound: towards the plan, away from what it avoids or from no plan at all."""
        wanted = self._velocities(without_avoid(plan), seen, layout)
        avoided = negative_plan(plan)
        bare = [self._velocity(None)] * len(wanted)
        if avoided is not None:
            bare = self._velocities(avoided, None, layout)
        pairs = zip(wanted, bare, strict=True)
        return blended([guided(towards, away, guidance) for towards, away in pairs], layout)

    def _velocities(self, plan: Plan, seen: Seen | None, layout: Layout) -> list[Velocity]:
        """One for each group of windows, which read their conditions once."""
        told = describe_windows(plan, seen, layout, self.frame_seconds, self.words)
        groups = [collate(told[first : first + GROUP]) for first in range(0, len(told), GROUP)]
        return [self._velocity(self.dit.prepare(self._moved(group), layout.width)) for group in groups]

    def _velocity(self, prepared: Prepared | None) -> Velocity:
        """The transformer in its own numbers, the flow around it in float32."""

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return self.dit.dit(x.to(self.engine.dtype), t.to(x.device), prepared).float()

        return velocity

    def _moved(self, features: Features) -> Features:
        device, dtype = self.engine
        return Features(
            features.video.to(device, dtype),
            features.text.to(device, dtype),
            features.sync.to(device, dtype),
            None if features.video_mask is None else features.video_mask.to(device),
            None if features.text_mask is None else features.text_mask.to(device),
        )


def describe_windows(
    plan: Plan, seen: Seen | None, layout: Layout, frame_seconds: float, words: WordTable
) -> Sequence[ClipFeatures]:
    """One description per window; `seen` None tells of the plan alone. `frame_seconds`: of a latent frame."""
    seconds = layout.width * frame_seconds
    return [_describe(plan, seen, start * frame_seconds, seconds, words) for start in layout.starts]


def _describe(plan: Plan, seen: Seen | None, start: float, seconds: float, words: WordTable) -> ClipFeatures:
    """Cut as the scenes of training were."""
    told = window(plan, start, seconds)
    if seen is None:
        return describe(seconds, told, None, None, words)
    first, last = round(start * PICTURE_FPS), round((start + seconds) * PICTURE_FPS)
    video = seen.video[first : max(last, first + 1)]
    motion = seen.motion[round(start * MOTION_FPS) : round((start + seconds) * MOTION_FPS) + 1]
    return describe(seconds, told, video, motion, words)
