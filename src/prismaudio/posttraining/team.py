"""The processes of one run. Each makes and learns from whole groups; all take the same optimiser steps.

What a run computes does not depend on how many they are, but for the order in which floating-point sums are taken.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prismaudio.errors import PrismAudioError
from prismaudio.posttraining.sharding import is_sharded

if TYPE_CHECKING:
    from accelerate import Accelerator


class UnevenTeam(PrismAudioError):
    """Prompts that cannot be shared out in whole groups."""


class Team:
    """One process alone, or all those of an `Accelerator`; the policy is on its device."""

    def __init__(self, accelerator: "Accelerator | None" = None) -> None:
        self.accelerator = accelerator
        self.size = 1 if accelerator is None else accelerator.num_processes
        self.rank = 0 if accelerator is None else accelerator.process_index

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def device(self) -> str | None:
        """Where this process computes, if that is not for it to choose."""
        return None if self.accelerator is None else str(self.accelerator.device)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """A block that writes files others read: the leading process goes through it before them."""
        if self.accelerator is None:
            yield
        else:
            with self.accelerator.main_process_first():
                yield

    def share(self, prompts: Sequence[int]) -> Sequence[int]:
        """This process's prompts: a stretch of all, as long as everyone's."""
        if len(prompts) % self.size:
            raise UnevenTeam(
                f"{len(prompts)} prompts per iteration cannot be shared by {self.size} processes; "
                f"choose a multiple of {self.size}"
            )
        count = len(prompts) // self.size
        return prompts[self.rank * count : (self.rank + 1) * count]

    def everyones(self, mine: Tensor) -> Tensor:
        """(n, ...) of this process -> (size * n, ...), in the order of the prompts."""
        if self.accelerator is None:
            return mine
        gathered: Tensor = self.accelerator.gather(mine.to(self.accelerator.device))
        return gathered.to(mine.device)

    def summed(self, mine: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.accelerator is None:
            return mine
        total: Tensor = self.accelerator.reduce(mine.to(self.accelerator.device), reduction="sum")
        return total.to(mine.device)

    def leaders(self, mine: dict[str, float]) -> dict[str, float]:
        """What the leading process has."""
        if self.accelerator is None:
            return mine
        from accelerate.utils import broadcast_object_list

        said: list[dict[str, float]] = broadcast_object_list([mine])
        return said[0]

    def most(self, mine: int) -> int:
        """The highest of what the processes have."""
        if self.accelerator is None:
            return mine
        everyones = self.everyones(torch.tensor([mine], device=self.accelerator.device))
        return int(everyones.max())

    def sum_gradients(self, policy: nn.Module) -> None:
        """Give every process the gradients of all, in one message."""
        if self.accelerator is None or is_sharded(policy):  # whose gradients are everyone's already
            return
        parameters = policy.parameters()
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = self.summed(torch.cat([grad.flatten() for grad in grads]))
        for parameter, grad in zip(trained, torch.split(flat, [p.numel() for p in trained]), strict=True):
            parameter.grad = grad.view_as(parameter)

    def wait(self) -> None:
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


def this_team() -> Team:
    """All processes that `accelerate launch` or torchrun started, or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    from accelerate import Accelerator

    return Team(Accelerator(cpu=not torch.cuda.is_available()))
