"""The promise every audio codec keeps, so that the transformer, the trainer and the RL need not know which one they have.

Shapes: B batch, N samples, C latent channels, T latent frames.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor


class Codec(Protocol):
    """Stereo sound <-> a short sequence of latent frames of about unit variance."""

    sample_rate: int
    latent_channels: int
    hop: int  # samples per latent frame

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """audio: (B, 2, N) in [-1, 1] -> (B, C, ceil(N / hop)); the mean without a generator, a sample with one."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (B, C, T), wherever they are -> (B, 2, T * hop) where the codec is"""
        ...

    def decode_pieces(self, latents: Tensor, frames: int) -> Iterator[Tensor]:
        """The same sound piece by piece, (B, 2, n) each, about `frames` latent frames at a time."""
        ...
