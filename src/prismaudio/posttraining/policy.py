"""What post-training needs to know of a generator and of its judges, and nothing else about either.

Shapes: P prompts, N sounds, R rewards, then one latent.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn


class Policy(nn.Module, ABC):
    """A generator that can be trained. A prompt is a number: a clip with all that is said about it."""

    latent_shape: tuple[int, ...]  # of one sound, the same for all prompts

    @abstractmethod
    def conditions(self, prompts: Sequence[int]) -> Any:
        """What is told about P prompts, each once, on the policy's device; the same whatever the weights."""

    @abstractmethod
    def prepare(self, conditions: Any) -> Any:
        """What the weights make of it, to be read at every step. Differentiable."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, prepared: Any, rows: Tensor, guidance: float) -> Tensor:
        """x: (N, ...), t: (N,), rows: (N,) which of the P prepared prompts each is for -> like x.

        `guidance` 1 is one evaluation per sound; any other scale may take two.
        """

    def forward(self, x: Tensor, t: Tensor, conditions: Any, rows: Tensor, guidance: float) -> Tensor:
        """`prepare` and `velocity` in one, which is what gradients flow through."""
        return self.velocity(x, t, self.prepare(conditions), rows, guidance)


class Judge(Protocol):
    """The rewards, all of them, for sounds it may decode as it likes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the R rewards, each once."""
        ...

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        """latents: (N, ...) finished, prompts: of each -> (N, R), higher is better; nan where a reward failed.

        A sound's reward must not depend on the others of the call. What can go wrong with one sound is a nan;
        what goes wrong with all is an exception.
        """
        ...
