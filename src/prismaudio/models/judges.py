"""Networks of the embedded judges: does it sound like the words, keep time, sound clean, come from where it is seen.

Shapes: B batch, M mel bands, K mel frames at 100 Hz, V motion frames at 25 Hz, D motion features, L tokens, E embedding,
A azimuth bins, G channels that are compared, O offsets.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.models.hearing import MARKS, MEL_BANDS
from prismaudio.models.sound_classifier import ResidualBlock, relative

OFFSETS = 21  # from -2 to 2 seconds by 0.2, as the published judge has them (spec rewards.md 1.2)
MOTION_RATE = 25
FRAMES_PER_OFFSET = 5  # 0.2 s
NOTICED = 16.0  # nats below the loudest moment, by a judge of noise: 140 dB


class AudioTextNetwork(nn.Module):
    """Sounds and words in one space, where what belongs together lies close (contrastive, as CLAP)."""

    def __init__(self, word_dim: int = 256, width: int = 20, embedding: int = 128) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(
            nn.Conv2d(1, w, 5, stride=(2, 4), padding=2, bias=False), nn.BatchNorm2d(w), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            ResidualBlock(w, w, (1, 1)),
            ResidualBlock(w, 2 * w, (2, 2)),
            ResidualBlock(2 * w, 4 * w, (2, 1)),
            ResidualBlock(4 * w, 6 * w, (2, 1)),
        )
        self.over_frequency = nn.Sequential(nn.Linear(6 * w * MEL_BANDS // 16, 8 * w), nn.ReLU())
        self.audio_head = nn.Sequential(nn.Dropout(0.3), nn.Linear(16 * w, embedding))
        self.importance = nn.Linear(word_dim, 1)
        self.text_head = nn.Sequential(
            nn.Linear(word_dim, 2 * embedding),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(2 * embedding, embedding),
        )
        self.sharpness = nn.Parameter(torch.tensor(2.3))  # log of what similarities are multiplied by

    def embed_sound(self, mel: Tensor) -> Tensor:
        """mel: (B, M, K) -> (B, E) of unit length"""
        x = self.blocks(self.stem(relative(mel)[:, None]))
        frames = self.over_frequency(rearrange(x, "b c m k -> b k (c m)"))
        return F.normalize(
            self.audio_head(torch.cat([frames.mean(dim=1), frames.amax(dim=1)], dim=1)), dim=-1
        )

    def embed_words(self, tokens: Tensor, there: Tensor) -> Tensor:
        """tokens: (B, L, 256), there: (B, L) bool, at least one a row -> (B, E) of unit length"""
        weight = self.importance(tokens)[..., 0].masked_fill(~there, -torch.inf).softmax(dim=1)
        return F.normalize(self.text_head((weight[..., None] * tokens).sum(dim=1)), dim=-1)

    def forward(self, mel: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
        """-> logits of every sound belonging to every text, (sounds, texts)"""
        similarity = self.embed_sound(mel) @ self.embed_words(tokens, there).mT
        return similarity * self.sharpness.exp()


class OffsetNetwork(nn.Module):
    """By how much a sound is early: both halves become channels at 25 Hz, which are compared at every lag."""

    def __init__(self, motion_dim: int = 36, width: int = 96, compared: int = 32) -> None:
        super().__init__()
        # whole channels are dropped: what is compared must not hang on a few of them
        self.hear = nn.Sequential(
            nn.Conv1d(2 * MEL_BANDS, width, 5, padding=2), nn.GELU(), nn.Dropout1d(0.1),
            nn.Conv1d(width, width, 4, stride=2, padding=1), nn.GELU(), nn.Dropout1d(0.1),
            nn.Conv1d(width, width, 4, stride=2, padding=1), nn.GELU(),
            nn.Conv1d(width, compared, 5, padding=2),
        )  # fmt: skip
        self.see = nn.Sequential(
            nn.Conv1d(motion_dim, width, 5, padding=2), nn.GELU(), nn.Dropout1d(0.1),
            nn.Conv1d(width, width, 5, padding=4, dilation=2), nn.GELU(), nn.Dropout1d(0.1),
            nn.Conv1d(width, compared, 5, padding=2),
        )  # fmt: skip
        self.read = nn.Sequential(
            nn.Dropout1d(0.1), nn.Conv1d(compared, 64, FRAMES_PER_OFFSET, padding=2), nn.GELU(),
            nn.Conv1d(64, 64, FRAMES_PER_OFFSET, stride=FRAMES_PER_OFFSET), nn.GELU(),
            nn.Conv1d(64, 1, 1),
        )  # fmt: skip

    def forward(self, mel: Tensor, motion: Tensor) -> Tensor:
        """mel: (B, M, K), motion: (B, V, D), K about 4 V -> (B, O) logits of the sound being -2 s (late) to 2 s early"""
        loud = relative(mel)
        rise = F.pad(loud, (1, 0), mode="replicate").diff(dim=-1)
        heard, seen = self.hear(torch.cat([loud, rise], dim=1)), self.see(motion.mT)
        return self.read(at_lags(centred(heard), centred(seen)))[:, 0]


def centred(x: Tensor) -> Tensor:
    """(B, G, V) -> the same without its mean over time, and of unit length over time"""
    return F.normalize(x - x.mean(dim=-1, keepdim=True), dim=-1, eps=1e-4)


def at_lags(heard: Tensor, seen: Tensor) -> Tensor:
    """heard, seen: (B, G, V) -> (B, G, 5 O): correlation with the sound early by so many frames, -52 to 52"""
    reach = OFFSETS * FRAMES_PER_OFFSET // 2
    frames = min(heard.shape[-1], seen.shape[-1])
    size = 1 << (frames + reach).bit_length()
    product = (
        torch.fft.rfft(heard[..., :frames].float(), size)
        * torch.fft.rfft(seen[..., :frames].float(), size).conj()
    )
    correlation = torch.fft.irfft(product, size)
    late = torch.cat([correlation[..., -reach:], correlation[..., : reach + 1]], dim=-1)
    return late.flip(-1)


class QualityNetwork(nn.Module):
    """How clean a recording is, 0 to 1: noise, hum, missing treble and clipping against what sounds."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.frames = nn.Sequential(
            nn.Conv1d(MEL_BANDS, width, 5, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, stride=4, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2), nn.GELU(),
        )  # fmt: skip
        self.spectrum = nn.Linear(3 * MEL_BANDS, width)
        self.marks = nn.Linear(MARKS, 16)
        self.head = nn.Sequential(
            nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * width + 16, width), nn.GELU(), nn.Linear(width, 1)
        )

    def forward(self, mel: Tensor, marks: Tensor) -> Tensor:
        """mel: (B, M, K), marks: (B, 4) -> (B,) in [0, 1]"""
        x = relative(mel, NOTICED)
        frames = self.frames(x)
        floor, middle, top = x.quantile(torch.tensor([0.05, 0.5, 0.95], device=x.device), dim=-1)
        spectrum = self.spectrum(torch.cat([floor, middle, top], dim=1))
        pooled = [frames.mean(dim=-1), frames.amax(dim=-1), frames.amin(dim=-1), spectrum, self.marks(marks)]
        return torch.sigmoid(self.head(torch.cat(pooled, dim=1))[:, 0])


class SeenPlaceNetwork(nn.Module):
    """Where what is seen would sound from, moment by moment."""

    def __init__(self, motion_dim: int = 36, width: int = 64, bins: int = 8) -> None:
        super().__init__()
        self.bins = bins
        self.layers = nn.Sequential(
            nn.Conv1d(motion_dim, width, 5, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, padding=4, dilation=2), nn.GELU(),
            nn.Conv1d(width, width, 5, padding=16, dilation=8), nn.GELU(),
            nn.Conv1d(width, bins + 1, 1),
        )  # fmt: skip

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """motion: (B, V, D) -> logits of the azimuth bins (B, V, A), and of anything sounding (B, V)"""
        out = self.layers(motion.mT).mT
        return out[..., : self.bins], out[..., self.bins]

    def azimuth(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """-> expected azimuth (B, V) in [-1, 1], and how probable it is that something seen sounds (B, V)"""
        places, sounding = self(motion)
        centres = (torch.arange(self.bins, device=motion.device) + 0.5) / self.bins * 2 - 1
        return places.softmax(dim=-1) @ centres, sounding.sigmoid()
