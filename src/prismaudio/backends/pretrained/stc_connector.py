"""VideoLLaMA2's connector, STC v35: what a vision tower saw of a few pictures becomes words of a language model.

Convolutions mix each picture, halve time and both sides, and mix again. The blocks are RegNet's with one channel a group.
Structure and names are those of the published weights: VideoLLaMA2's model/projector.py (`STCConnectorV35`), whose stages
are timm 1.0.3's `RegStage` of models/regnet.py, normalised by layers/norm_act.py (`LayerNormAct2d`).
Shapes: B clips, T pictures, P patches of a picture, C channels, H rows and W columns of patches, D width.
"""

import math
from collections import OrderedDict

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

DEPTH = 4  # blocks before the sampler, and after it
HALVING = 2  # of time, height and width; what is left over is dropped
SQUEEZE = 0.25  # hidden channels of a gate, relative to what its block is given
EPSILON = 1e-5


class STCConnector(nn.Module):
    """From `channels` of a vision tower to the `width` of a language model."""

    def __init__(self, channels: int, width: int, depth: int = DEPTH) -> None:
        super().__init__()
        self.s1 = _stage(channels, width, depth)
        self.sampler = nn.Sequential(nn.Conv3d(width, width, HALVING, stride=HALVING), nn.SiLU())
        self.s2 = _stage(width, width, depth)
        self.readout = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, patches: Tensor) -> Tensor:
        """patches, row by row: (B, T, P, C), P a square -> (B, T//2 * H//2 * W//2, D), in the same order"""
        clips, side = len(patches), math.isqrt(patches.shape[2])
        x = self.s1(rearrange(patches, "b t (h w) c -> (b t) c h w", h=side))
        x = self.sampler(rearrange(x, "(b t) d h w -> b d t h w", b=clips))
        x = self.s2(rearrange(x, "b d t h w -> (b t) d h w"))
        return self.readout(rearrange(x, "(b t) d h w -> b (t h w) d", b=clips))


class Bottleneck(nn.Module):
    """A channel mixing, a gated 3x3 filter for each channel, a channel mixing; and what came in."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = NormedConvolution(channels, width, 1)
        self.conv2 = NormedConvolution(width, width, 3, groups=width)
        self.se = ChannelGate(width, round(SQUEEZE * channels))
        self.conv3 = NormedConvolution(width, width, 1)
        self.downsample = NormedConvolution(channels, width, 1) if channels != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W)"""
        h = F.silu(self.conv1(x))
        h = F.silu(self.conv2(h))
        h = self.conv3(self.se(h))
        return F.silu(h + self.downsample(x))


class NormedConvolution(nn.Module):
    """A convolution that keeps the size; every place is then normalised over its channels."""

    def __init__(self, channels: int, width: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.LayerNorm(width, EPSILON)  # the published name, from when it was a batch norm

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W)"""
        normed = self.bn(rearrange(self.conv(x), "b d h w -> b h w d"))
        return rearrange(normed, "b h w d -> b d h w")


class ChannelGate(nn.Module):
    """Squeeze and excitation: each channel is scaled by what the whole picture holds."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W), the same"""
        whole = x.mean((2, 3), keepdim=True)
        return x * self.fc2(F.silu(self.fc1(whole))).sigmoid()


def _stage(channels: int, width: int, depth: int) -> nn.Sequential:
    blocks = (Bottleneck(width if k else channels, width) for k in range(depth))
    return nn.Sequential(OrderedDict((f"b{k}", block) for k, block in enumerate(blocks, start=1)))
