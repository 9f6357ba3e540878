"""Windows that together cover a sound, for judges that hear only so much of it at once.

Shapes: B batch, N samples, W windows.
"""

import math

import torch
from torch import Tensor


def covering(total: int, size: int) -> list[int]:
    """Where as few windows of `size` as cover `total` begin, evenly: the first at the beginning, the last at the end."""
    count = max(1, math.ceil(total / size))
    last = max(0, total - size)
    return [round(k * last / max(1, count - 1)) for k in range(count)]


def repeated(audio: Tensor, size: int) -> Tensor:
    """(B, N) -> (B, at least `size`): a shorter sound begins again until the window is full."""
    if audio.shape[-1] >= size:
        return audio
    return audio.repeat(1, math.ceil(size / audio.shape[-1]))[:, :size]


def cut(audio: Tensor, size: int) -> Tensor:
    """(B, N), N at least `size` -> (B, W, size), windows that cover it"""
    starts = covering(audio.shape[-1], size)
    return torch.stack([audio[:, start : start + size] for start in starts], dim=1)
