"""From plans and pictures to the latents of sounds: conditions for every window, then the flow.

Shapes: C latent channels, L latent frames of a sound, T of a window.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prismaudio.data.features import ClipFeatures, collate
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.flow.sampler import Velocity, choose_sampler, time_grid
from prismaudio.generation.engine import Engine
from prismaudio.generation.long import Layout, blended, window_width
from prismaudio.generation.model import Model, Wording
from prismaudio.generation.options import Options
from prismaudio.generation.prompting import negative_plan, without_avoid
from prismaudio.generation.velocity import VelocityEngine
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import Prepared
from prismaudio.stages import Report

SEEDS = 2**63  # more than torch takes


class GenerationFailed(PrismAudioError):
    """The sampler left the numbers it can work with."""


class BadSeed(PrismAudioError):
    """A seed no generator takes."""


class Request(NamedTuple):
    """One sound to be made."""

    plan: Plan
    seen: Any  # what the model saw of the picture
    seconds: float
    seed: int
    wording: Wording = Wording()


class LatentSampler:
    """One model on one engine."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self.model = model
        self.engine = engine
        self.velocities = VelocityEngine(model.dit.dit, engine.machinery)

    @torch.no_grad()
    def __call__(self, requests: Sequence[Request], options: Options, report: Report) -> list[Tensor]:
        """-> (1, C, L) float32 for each, on the engine's device, with enough frames to cover its seconds.

        Sounds are made together where that is possible: with windows of one width, and all or none of them
        steered away from something. A sound does not depend on its company.
        """
        done: dict[int, Tensor] = {}
        kinds: dict[tuple[int, bool], list[int]] = {}
        for number, request in enumerate(requests):
            width = window_width(self.model.frames(request.seconds))
            kinds.setdefault((width, bool(request.plan.semantic.avoid)), []).append(number)
        for numbers in kinds.values():
            base, share = len(done) / len(requests), len(numbers) / len(requests)
            sounds = self._together([requests[n] for n in numbers], options, _part(report, base, share))
            done |= dict(zip(numbers, sounds, strict=True))
        return [done[number] for number in range(len(requests))]

    def _together(self, requests: Sequence[Request], options: Options, report: Report) -> Sequence[Tensor]:
        layout = Layout.covering(*(self.model.frames(request.seconds) for request in requests))
        told = self._told(requests, layout, wanted=True)
        avoided = self._told(requests, layout, wanted=False) if requests[0].plan.semantic.avoid else None
        noise = [self._noise(*pair) for pair in zip(requests, layout.lengths, strict=True)]
        with self.model.at_work("transformer"):
            x = torch.cat(noise, dim=-1).to(self.engine.device)
            flow = self.flow(told, avoided, layout, options)
            points = choose_sampler(options.sampler)(flow, x, time_grid(options.steps))
            for number, point in enumerate(points, start=1):
                x = point
                report(number / options.steps)
        if not bool(x.isfinite().all()):
            raise GenerationFailed("the sound is not finite; lower --guidance, or use --dtype float32")
        return layout.split(x)

    def flow(
        self,
        told: Sequence[ClipFeatures],
        avoided: Sequence[ClipFeatures] | None,
        layout: Layout,
        options: Options,
    ) -> Velocity:
        """The velocity of all sounds: towards what is told, away from what is avoided or from no plan at all."""
        guidance = self.model.guidance if options.guidance is None else options.guidance
        interval = (options.guided_from, options.guided_to)
        wanted = self._prepared(told, layout)
        bare: Sequence[Prepared | None] = [None] * len(wanted)
        if avoided is not None:
            bare = self._prepared(avoided, layout)
        flows = [
            self.velocities.guided(towards, away, guidance, interval)
            for towards, away in zip(wanted, bare, strict=True)
        ]
        return blended(flows, layout, self.engine.group)

    def _told(self, requests: Sequence[Request], layout: Layout, *, wanted: bool) -> list[ClipFeatures]:
        """For every window of every sound; takes of one clip are told the same thing."""
        told: dict[tuple[int, int, float, Wording], Sequence[ClipFeatures]] = {}
        windows: list[ClipFeatures] = []
        for request, frames in zip(requests, layout.lengths, strict=True):
            key = (id(request.plan), id(request.seen), request.seconds, request.wording)
            if key not in told:
                told[key] = self._tell(request, Layout.covering(frames), wanted=wanted)
            windows += told[key]
        return windows

    def _tell(self, request: Request, layout: Layout, *, wanted: bool) -> Sequence[ClipFeatures]:
        if wanted:
            return self.model.tell(without_avoid(request.plan), request.seen, layout, request.wording)
        avoided = negative_plan(request.plan)
        if avoided is None:
            raise ValueError("a plan that avoids nothing has no negative")
        return self.model.tell(avoided, None, layout, Wording())

    def _prepared(self, windows: Sequence[ClipFeatures], layout: Layout) -> list[Prepared]:
        """Conditions of so many windows at a time as the engine takes, read once."""
        rest, groups = iter(windows), []
        while group := list(islice(rest, self.engine.group)):
            groups.append(self.model.prepare(self._moved(collate(group)), layout.width))
        return groups

    def _noise(self, request: Request, frames: int) -> Tensor:
        """(1, C, frames), drawn on the CPU: the same everywhere, and whatever else is made beside it."""
        generator = torch.Generator().manual_seed(request.seed)
        return torch.randn(1, self.model.codec.latent_channels, frames, generator=generator)

    def _moved(self, features: Features) -> Features:
        device, dtype = self.engine.device, self.engine.dtype
        return Features(
            features.video.to(device, dtype),
            features.text.to(device, dtype),
            features.sync.to(device, dtype),
            None if features.video_mask is None else features.video_mask.to(device),
            None if features.text_mask is None else features.text_mask.to(device),
        )


def check_seed(seed: int) -> None:
    """Raise unless a generator takes it."""
    if not 0 <= seed < SEEDS:
        raise BadSeed(f"--seed {seed} is out of range; give a whole number from 0 to 2**63 - 1")


def _part(report: Report, base: float, share: float) -> Report:
    """Tells `report` of a part of the work, which begins at `base`."""
    return lambda done: report(base + share * done)
