"""Another sample rate by a windowed sinc, to the sample as the published judges were fed.

The filter is torchaudio's "sinc_interp_hann" with its defaults; `media.audio.resample` is for everything else.
Shapes: N samples, M = ceil(N * new / old) samples, K taps.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

ROLLOFF = 0.99  # cut-off frequency over Nyquist's


def resample(audio: Tensor, old_rate: int, new_rate: int, zero_crossings: int = 6) -> Tensor:
    """audio: (..., N) at `old_rate` Hz -> (..., M) at `new_rate` Hz

    zero_crossings: half the sinc's length, in zeros; torchaudio's `lowpass_filter_width` (6, PrismAudio's rewards 64).
    """
    if old_rate == new_rate:
        return audio
    common = math.gcd(old_rate, new_rate)
    old, new = old_rate // common, new_rate // common
    kernels, reach = _kernels(old, new, zero_crossings)
    padded = F.pad(audio.reshape(-1, 1, audio.shape[-1]), (reach, reach + old))
    phases = F.conv1d(padded, kernels.to(audio), stride=old)
    samples = math.ceil(new * audio.shape[-1] / old)
    return rearrange(phases, "b new n -> b (n new)")[:, :samples].reshape(*audio.shape[:-1], samples)


@lru_cache(maxsize=8)
def _kernels(old: int, new: int, zero_crossings: int) -> tuple[Tensor, int]:
    """One filter for each of the `new` places between `old` samples, (new, 1, K), and how far each reaches back."""
    cutoff = min(old, new) * ROLLOFF
    reach = math.ceil(zero_crossings * old / cutoff)
    taps = torch.arange(-reach, reach + old, dtype=torch.float64) / old
    places = torch.arange(new, dtype=torch.float64)[:, None] / new
    t = ((taps - places) * cutoff).clamp(-zero_crossings, zero_crossings)
    window = torch.cos(t * math.pi / zero_crossings / 2) ** 2
    return (torch.sinc(t) * window * cutoff / old)[:, None].float(), reach
