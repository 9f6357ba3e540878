"""Other weights of the same network: where it started, its slow average. Only of what is trained, and no second network.

With low-rank adapters that is next to nothing; of a whole network it is one copy, which may rest on another device
or in a smaller number format.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from prismaudio.posttraining.sharding import forget_gathered, is_sharded, part_of, whole


class Weights:
    """A copy of the trainable parameters of `module`."""

    def __init__(
        self, module: nn.Module, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> None:
        self.tensors = {
            name: value.detach().to(device or value.device, dtype or value.dtype, copy=True)
            for name, value in _trainable(module)
        }

    @contextmanager
    def at_work(self, module: nn.Module) -> Iterator[None]:
        """Let `module` compute with this copy for the length of the block; its own weights come back untouched."""
        if is_sharded(module):
            with self._copied_into(module):
                yield
            return
        own = {name: value.data for name, value in _trainable(module)}
        try:
            for name, value in _trainable(module):
                value.data = self.tensors[name].to(value.device, value.dtype)
            yield
        finally:
            for name, value in _trainable(module):
                value.data = own[name]

    @contextmanager
    def _copied_into(self, module: nn.Module) -> Iterator[None]:
        """The same where parts of a parameter are known by their place in memory."""
        own = Weights(module)
        try:
            self.put_into(module)
            yield
        finally:
            own.put_into(module)

    @torch.no_grad()
    def put_into(self, module: nn.Module) -> None:
        """Overwrite the present weights."""
        for name, value in _trainable(module):
            value.copy_(self.tensors[name])

    @torch.no_grad()
    def follow(self, module: nn.Module, decay: float) -> None:
        """Move towards the present weights, keeping the share `decay` of this copy."""
        for name, value in _trainable(module):
            mine = self.tensors[name]
            mine.lerp_(value.detach().to(mine), 1 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Whole tensors; in a team that shares a policy all must ask."""
        return {name: whole(value) for name, value in self.tensors.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take these values; the names must be those of the copy."""
        if state.keys() != self.tensors.keys():
            raise KeyError(f"weights of other parameters: {sorted(state.keys() ^ self.tensors.keys())}")
        for name, value in state.items():
            self.tensors[name].copy_(part_of(value, self.tensors[name]))


def warm_decay(step: int, limit: float = 0.9) -> float:
    """min(limit, (1 + n) / (10 + n)) after optimiser step n, from 0: fast at first, when all is new."""
    return min(limit, (1 + step) / (10 + step))


def old_decay(iteration: int, limit: float = 0.5) -> float:
    """Of DiffusionNFT's old policy after iteration n, from 0: min(0.001 n, limit) (spec rl.md section 7)."""
    return min(0.001 * iteration, limit)


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    forget_gathered(module)
    return ((name, value) for name, value in module.named_parameters() if value.requires_grad)
