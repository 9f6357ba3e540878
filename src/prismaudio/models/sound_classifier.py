"""Which kind of sound is this: a small convolutional network on log-mel windows, the judge of what was heard.

It hears only energy over time and frequency, relative to the loudest moment: neither loudness nor phase can sway it.

Shapes: B batch, N samples, M mel bands, K frames, W windows, C classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prismaudio.models.spectral import log_mel, mel_filters, stft

SAMPLE_RATE = 44_100
STFT_SIZE, STFT_HOP = 1024, 512
MEL_BANDS = 80
WINDOW_FRAMES = 192  # 2.2 s
DYNAMIC_RANGE = 8.0  # nats below the loudest moment that are heard: 70 dB


def relative(mel: Tensor, reach: float = DYNAMIC_RANGE) -> Tensor:
    """(B, M, K) nats -> [-1, 1], 1 at the loudest moment: nobody hears how loud a file was saved."""
    loudest = mel.amax(dim=(1, 2), keepdim=True)
    return (mel - loudest).clamp(min=-reach) / (reach / 2) + 1


class SoundClassifier(nn.Module):
    """Log-mel window -> one logit per class."""

    def __init__(self, class_names: Sequence[str], width: int = 24) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        w = width
        self.stem = nn.Sequential(
            nn.Conv2d(1, w, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(w), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            ResidualBlock(w, w, (1, 1)),
            ResidualBlock(w, 2 * w, (2, 2)),
            ResidualBlock(2 * w, 4 * w, (2, 2)),
            ResidualBlock(4 * w, 6 * w, (2, 1)),
        )
        self.over_frequency = nn.Sequential(nn.Linear(6 * w * MEL_BANDS // 16, 8 * w), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(16 * w, len(self.class_names)))

    def forward(self, mel: Tensor) -> Tensor:
        """mel: (B, M, K) nats -> (B, C) logits"""
        return self.head(self.features(mel))

    def features(self, mel: Tensor) -> Tensor:
        """mel: (B, M, K) nats -> (B, 16 width), what the classes are told from"""
        x = self.blocks(self.stem(relative(mel)[:, None].contiguous(memory_format=torch.channels_last)))
        frames = self.over_frequency(x.permute(0, 3, 1, 2).flatten(2))  # (B, K / 8, 8 width)
        return torch.cat([frames.mean(dim=1), frames.amax(dim=1)], dim=1)

    @torch.no_grad()
    def probabilities(self, mel: Tensor) -> Tensor:
        """mel: (M, K) of a sound of any length -> (C,) how surely each class is heard in some window of it."""
        windows, weights = loud_windows(mel)
        chances = self(windows).float().softmax(dim=1)  # (W, C)
        return (weights[:, None] * chances).sum(dim=0) / weights.sum()


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == (1, 1)
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs, M, K) -> (B, outputs, M / stride, K / stride)"""
        return F.relu(self.shortcut(x) + self.body(x))


def classifier_mel(samples: Tensor) -> Tensor:
    """samples: (channels, N) at 44.1 kHz -> (M, K) nats, of the mean power of the channels."""
    power = (stft(samples, STFT_SIZE, STFT_HOP).abs() ** 2).mean(dim=0)
    return log_mel(power, mel_filters(MEL_BANDS, STFT_SIZE, SAMPLE_RATE))


def loud_windows(mel: Tensor) -> tuple[Tensor, Tensor]:
    """mel: (M, K) -> half-overlapping windows (W, M, WINDOW_FRAMES) and their weights (W,): silence has no say."""
    hop = WINDOW_FRAMES // 2
    short = max(WINDOW_FRAMES - mel.shape[1], -(mel.shape[1] - WINDOW_FRAMES) % hop)
    padded = F.pad(mel, (0, short), value=float(mel.min()))
    windows = padded.unfold(1, WINDOW_FRAMES, hop).permute(1, 0, 2)
    loudness = windows.exp().mean(dim=(1, 2))
    return windows, (loudness / loudness.max()).sqrt()
