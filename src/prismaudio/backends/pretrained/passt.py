"""PaSST-S, the ear behind FD_PaSST, KL_PaSST and IS_PaSST: a transformer over patches of a 10 s spectrogram.

Koutini et al. 2022, "Efficient training of audio transformers with patchout"; the file is
passt-s-f128-p16-s10-ap.476-swa.pt, the feeding that of hear21passt and av-benchmark (spec rewards.md 2).

Shapes: B batch, N samples, M = 128 mel bands, K frames of 10 ms, P patches, D width, H heads, C = 527 classes.
"""

from functools import lru_cache
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.listening import Heard, mono, triangles_over_mel
from prismaudio.models.checkpoints import check_fit, fill, read_tensors
from prismaudio.types import Audio

RATE = 32_000
SIZE, WINDOW, HOP = 1024, 800, 320
BANDS, HIGH = 128, 15_000.0
PREEMPHASIS = 0.97
OFFSET = 1e-5  # added to band power before the logarithm
MEAN, SPREAD = -4.5, 5.0  # that the network takes off
WINDOW_SAMPLES = 10 * RATE  # what it hears at once
PATCH, STRIDE = 16, 10
GRID = (12, 99)  # patches over pitch and over time
CLASSES = 527


class PasstNetwork(nn.Module):
    """A vision transformer with two summary tokens and separate places for pitch and time; named as published."""

    def __init__(self, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.cls_token, self.dist_token = (nn.Parameter(torch.zeros(1, 1, width)) for _ in range(2))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, width))  # of the two tokens
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, width, GRID[0], 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, width, 1, GRID[1]))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, width, PATCH, stride=STRIDE)})
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))
        self.head_dist = nn.Linear(width, CLASSES)  # served its training; stays for the file's sake

    def forward(self, mel: Tensor) -> Heard:
        """mel: (B, M, K), K up to 1000 -> features (B, D) and logits (B, C)"""
        x = self.patch_embed["proj"](mel[:, None])
        x = x + self.time_new_pos_embed[..., : x.shape[-1]] + self.freq_new_pos_embed
        patches = rearrange(x, "b d f t -> b (f t) d")
        tokens = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        x = torch.cat([tokens.expand(len(x), -1, -1), patches], dim=1)
        summary = self.norm(self.blocks(x))[:, :2]
        features = summary.mean(dim=1)
        return Heard(features, self.head(features))


class Block(nn.Module):
    """Self-attention, then feed-forward, each after a norm and beside the input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attn = Attention(width, heads)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, P, D) -> (B, P, D)"""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, P, D) -> (B, P, D)"""
        q, k, v = rearrange(self.qkv(x), "b p (three h d) -> three b h p d", three=3, h=self.heads)
        return self.proj(rearrange(F.scaled_dot_product_attention(q, k, v), "b h p d -> b p (h d)"))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, P, D) -> (B, P, D)"""
        return self.fc2(F.gelu(self.fc1(x)))


class Passt:
    """A `SoundExtractor`."""

    def __init__(self, network: PasstNetwork, digest: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.identity = Identity("PaSST", "1", digest)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """From the published file, strictly."""
        return cls(load_passt(path), sha256(path))

    @torch.no_grad()
    def extract(self, audio: Audio) -> Tensors:
        """-> features (768,), log_posteriors (527,)

        Up to 10 s as published, filled up with silence; longer sounds by the mean over windows of 10 s that cover
        them, where hear21passt takes one every 2.5 s over mirrored ends.
        """
        heard = [self.network(passt_mel(window[None])) for window in windows(mono(audio, RATE))]
        logits = torch.stack([h.logits[0] for h in heard]).double().mean(dim=0)
        features = torch.stack([h.features[0] for h in heard]).double().mean(dim=0)
        return {"features": features, "log_posteriors": logits.log_softmax(dim=0)}


def windows(samples: Tensor) -> list[Tensor]:
    """samples: (N,) -> pieces of 10 s from the start, the last one up to the end; silence after a short one"""
    if len(samples) <= WINDOW_SAMPLES:
        return [F.pad(samples, (0, WINDOW_SAMPLES - len(samples)))]
    starts = [*range(0, len(samples) - WINDOW_SAMPLES, WINDOW_SAMPLES), len(samples) - WINDOW_SAMPLES]
    return [samples[start : start + WINDOW_SAMPLES] for start in starts]


def passt_mel(samples: Tensor) -> Tensor:
    """samples: (B, N) at 32 kHz -> (B, M, (N - 1) // 320 + 1), about -1 to 1"""
    emphasised = samples[:, 1:] - PREEMPHASIS * samples[:, :-1]
    window = torch.hann_window(WINDOW, periodic=False, device=samples.device)
    spectrum = torch.stft(
        emphasised, SIZE, HOP, WINDOW, window=window, pad_mode="reflect", return_complex=True
    )
    bands = passt_filters().to(samples) @ spectrum.abs().square()
    return ((bands + OFFSET).log() - MEAN) / SPREAD


@lru_cache(maxsize=1)
def passt_filters() -> Tensor:
    """-> (M, SIZE / 2 + 1) Kaldi's bands of power from 0 to 15 kHz; Nyquist's bin has no say."""
    hertz = torch.arange(SIZE // 2, dtype=torch.float64) * RATE / SIZE
    return F.pad(triangles_over_mel(hertz, BANDS, 0.0, HIGH), (0, 1)).float()


def load_passt(path: Path) -> PasstNetwork:
    """The network of the published file."""
    state = read_tensors(path)
    with torch.device("meta"):
        network = PasstNetwork()
    check_fit(state, {name: tensor.shape for name, tensor in network.state_dict().items()}, path)
    fill(network, state)
    return network
