"""How times, positions and condition tokens become vectors the transformer can add or attend to.

Shapes: B batch, H heads, N sequence, P head width, S tokens, T latent frames, D width.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROTARY_BASE = 10_000.0
FOURIER_FEATURES = 256


class TimeEmbedding(nn.Module):
    """Flow time to one token: learned Fourier features, then a small network (spec model.md 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(nn.init.normal_(torch.empty(FOURIER_FEATURES // 2, 1)))
        self.network = nn.Sequential(nn.Linear(FOURIER_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """t: (B,) -> (B, D). The phase is kept in float32: half precision moves it by whole degrees."""
        frequencies = self.frequencies.float()[:, 0]
        phase = 2 * math.pi * t.to(frequencies)[:, None] * frequencies
        features = torch.cat([phase.cos(), phase.sin()], dim=-1)
        return self.network(features.to(self.frequencies.dtype))


class TokenMLP(nn.Sequential):
    """Linear, SiLU, Linear without biases, so that zeros - an absent condition - stay zeros."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__(
            nn.Linear(in_width, width, bias=False), nn.SiLU(), nn.Linear(width, width, bias=False)
        )


class Rotary(nn.Module):
    """Rotary position embedding of the first half of each head (at least 32 numbers of it)."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        if head_width < 32:
            raise ValueError(
                f"a head needs at least 32 numbers for its positions, got {head_width}; use fewer heads"
            )
        self.width = max(head_width // 2, 32)

    def forward(self, length: int, device: torch.device) -> Tensor:
        """-> (2, length, R): cosines and sines of every position, in float32."""
        angles = torch.outer(
            torch.arange(length, device=device).float(), rotary_frequencies(self.width, device)
        )
        angles = torch.cat([angles, angles], dim=-1)
        return torch.stack([angles.cos(), angles.sin()])


def rotary_frequencies(width: int, device: torch.device | None = None) -> Tensor:
    """-> (width / 2,), from 1 down to almost 1 / ROTARY_BASE (RoFormer, arXiv 2104.09864)."""
    exponents = torch.arange(0, width, 2, device=device).float() / width
    return 1.0 / (ROTARY_BASE**exponents)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """x: (B, H, N, P), rotation: (2, N, R) -> (B, H, N, P), the first R numbers turned by their position.

    Turned in the precision of `rotation`, given back in that of x.
    """
    cosine, sine = rotation
    width = cosine.shape[-1]
    turning = x[..., :width]
    first, second = turning.chunk(2, dim=-1)
    turned = turning * cosine + torch.cat([-second, first], dim=-1) * sine
    return torch.cat([turned.to(x.dtype), x[..., width:]], dim=-1)


def resample(tokens: Tensor, frames: int, mask: Tensor | None = None) -> Tensor:
    """Stretch tokens linearly over time: (B, S, D) -> (B, frames, D).

    mask: (B, S) bool, True first, then False where a shorter clip was padded. With it each clip is stretched
    from its own tokens alone, so that it sounds in a batch as it does by itself. No tokens at all give zeros.
    """
    if tokens.shape[1] == frames and mask is None:
        return tokens
    if tokens.shape[1] == 0:
        return tokens.new_zeros(len(tokens), frames, tokens.shape[-1])
    if mask is None:
        return F.interpolate(tokens.mT, frames, mode="linear", align_corners=False).mT
    lengths = mask.sum(dim=1).clamp(min=1)[:, None]  # (B, 1)
    centres = torch.arange(frames, device=tokens.device) + 0.5
    position = (centres * lengths / frames - 0.5).clamp(min=0)  # (B, frames)
    before = position.floor().long().minimum(lengths - 1)
    after = (before + 1).minimum(lengths - 1)
    weight = (position - before)[..., None].to(tokens.dtype)
    return torch.lerp(_pick(tokens, before), _pick(tokens, after), weight)


def _pick(tokens: Tensor, index: Tensor) -> Tensor:
    """tokens: (B, S, D), index: (B, T) -> (B, T, D)"""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))
