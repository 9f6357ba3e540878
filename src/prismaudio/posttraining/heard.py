"""Judging by ear: latents are played, each sound is brought to one level for itself, and judges hear it.

Shapes: N sounds, R rewards, C latent channels, T latent frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from prismaudio.media.loudness import MAX_BOOST_DB, TARGET_LUFS, integrated_loudness, normalise
from prismaudio.models.codec import Codec
from prismaudio.types import Audio


class Listener(Protocol):
    """Rewards of sounds that can be heard."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the R rewards."""
        ...

    def __call__(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        """N stereo sounds, and the prompt of each -> (N, R), higher is better; nan where a reward failed."""
        ...


@dataclass(frozen=True, eq=False)
class Heard:
    """A `Judge` of latents, made of a codec and a listener.

    How loud a sound is never depends on its company, as it did in the released trainer (spec rl.md section 5).
    """

    codec: Codec
    listener: Listener
    loudness: float | None = TARGET_LUFS  # LUFS; None: as the codec plays it
    together: int = 16  # sounds decoded at a time
    peaks: Literal["limited", "kept"] = "limited"  # as in use; or only turned up or down, which is quicker

    @property
    def names(self) -> tuple[str, ...]:
        return self.listener.names

    @torch.no_grad()
    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        """latents: (N, C, T)"""
        return self.listener(self.play(latents), prompts)

    @torch.no_grad()
    def play(self, latents: Tensor) -> list[Audio]:
        """latents: (N, C, T) -> N sounds, each levelled"""
        return [
            self._levelled(Audio(samples.float().cpu(), self.codec.sample_rate))
            for part in torch.split(latents, self.together)
            for samples in self.codec.decode(part)
        ]

    def _levelled(self, sound: Audio) -> Audio:
        if self.loudness is None:
            return sound
        if self.peaks == "limited":
            return normalise(sound, self.loudness).audio
        gain = min(self.loudness - integrated_loudness(sound), MAX_BOOST_DB)
        return Audio(sound.samples * 10 ** (gain / 20), sound.sample_rate)
