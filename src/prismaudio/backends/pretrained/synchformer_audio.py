"""Synchformer's audible half: an audio spectrogram transformer per segment, and one token per instant of 0.11 s.

Shapes: S segments, N samples, M mel bands, K mel frames, D width, T instants of a segment.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.mel_filters import htk_filters
from prismaudio.models.motionformer import TokenPool

if TYPE_CHECKING:
    from transformers import ASTConfig

RATE = 16_000  # Hz
SEGMENT, SEGMENT_HOP = 10_240, 5_120  # samples: 0.64 and 0.32 s
TRANSFORM, WINDOW, HOP = 1024, 400, 160  # samples
BANDS, FRAMES = 128, 66
FLOOR = 1e-6
MEAN, SPREAD = -4.2677393, 4.5689974  # of the logarithms the network was trained on
PATCH = 16  # bands and frames of a patch
SPECIAL = 2  # tokens that stand for no place


class SoundSegments(nn.Module):
    """Segments of a sound to tokens."""

    def __init__(self, config: "ASTConfig") -> None:
        with extra_for("Synchformer"):
            from transformers import ASTModel

        super().__init__()
        self.ast = ASTModel(config)
        self.pool = TokenPool(config.hidden_size, config.num_attention_heads)
        self.bands = (config.num_mel_bins - PATCH) // config.frequency_stride + 1

    def forward(self, mel: Tensor) -> Tensor:
        """mel: (S, M, K) of `segments_mel` -> (S, T, D)"""
        places = self.ast(input_values=mel.mT).last_hidden_state[:, SPECIAL:]
        instants = rearrange(places, "s (f t) d -> (s t) f d", f=self.bands)
        return self.pool(instants).unflatten(0, (len(mel), -1))


def segments_mel(audio: Tensor) -> Tensor:
    """audio: (B, N) at 16 kHz -> (B, S, M, K): what the network was trained on

    The last frame is a zero that was appended to the logarithms, as in training.
    """
    segments = audio.unfold(-1, SEGMENT, SEGMENT_HOP)
    window = torch.hann_window(WINDOW, device=audio.device)
    spectrum = torch.stft(
        segments.flatten(0, 1),
        TRANSFORM,
        HOP,
        win_length=WINDOW,
        window=window,
        pad_mode="reflect",
        return_complex=True,
    )
    power = htk_filters(BANDS, TRANSFORM // 2 + 1, RATE).to(audio.device) @ spectrum.abs().square()
    logarithms = torch.log(power + FLOOR)
    filled = F.pad(logarithms, (0, FRAMES - logarithms.shape[-1]))
    return rearrange((filled - MEAN) / (2 * SPREAD), "(b s) m k -> b s m k", b=len(audio))


def sound_segments(samples: int) -> int:
    """How many whole segments so many samples have."""
    return max(0, (samples - SEGMENT) // SEGMENT_HOP + 1)
