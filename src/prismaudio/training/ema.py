"""The slow average of the weights that is shipped: it sounds better than the last step."""

import copy

import torch
from torch import nn


class EMA:
    """Exponential moving average with a warm-up: decay min(decay, 1 - (step + 1)^-power) (spec/model.md, section 9)."""

    def __init__(self, model: nn.Module, decay: float = 0.9999, power: float = 0.75) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay
        self.power = power

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards `model` after optimiser step `step` (from 0)."""
        decay = min(self.decay, 1 - (step + 1) ** -self.power)
        averages, current = list(self.model.parameters()), list(model.parameters())
        torch._foreach_lerp_(
            [a.data for a in averages],
            [c.data.to(a.dtype) for a, c in zip(averages, current, strict=True)],
            1 - decay,
        )
        for average, value in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(value)
