"""Judging without playing: the embedded judges are told what they would hear of latents of the embedded codec.

Shapes: N sounds, R = 4 rewards, C latent channels, T latent frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case
from prismaudio.dimensions.scoring import Panel
from prismaudio.errors import PrismAudioError
from prismaudio.models.codec import Codec
from prismaudio.models.hearing import FRAME_RATE
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.models.sketch import shortened, sketch
from prismaudio.posttraining.panel_listener import judged


class CannotSketch(PrismAudioError):
    """A codec or a judge that needs sounds to be played."""


@dataclass(frozen=True, eq=False)
class Sketched:
    """A `Judge` of latents, made of a codec and a panel that never hears a sound played."""

    codec: MelStereoCodec
    panel: Panel
    case: Callable[[int], Case]  # of a prompt

    @property
    def names(self) -> tuple[str, ...]:
        return DIMENSIONS

    @torch.no_grad()
    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        """latents: (N, C, T) -> (N, 4); sounds end with their prompt's plan"""

        def sketched(members: Sequence[int], seconds: float) -> Sounds:
            seen = shortened(sketch(self.codec, latents[members]), self.codec, seconds)
            return Sounds(seen.envelope, FRAME_RATE, seen)

        return judged(self.panel, self.case, prompts, sketched)


def check_sketching(codec: Codec, panel: Panel) -> MelStereoCodec:
    """The codec, if it and all judges of the panel can do without playing."""
    if not isinstance(codec, MelStereoCodec):
        raise CannotSketch(
            "only sounds of the embedded codec can be judged without being played; set judging.by=sound"
        )
    for judge in (judge for member in panel.present for judge in member.judges):
        if not getattr(judge, "hears_sketches", False):
            raise CannotSketch(
                f"{judge.name} must hear sounds played; set judging.by=sound, or choose embedded judges"
            )
    return codec
