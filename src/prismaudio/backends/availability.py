"""A judge that is not to be had is said to be so, with the reason: it never scores zero."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from prismaudio.errors import PrismAudioError

Value = TypeVar("Value")


@dataclass(frozen=True)
class NotAvailable:
    """Instead of a judge, or of what it would have said."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"n/a: {self.reason}"

    def scores(self, count: int) -> Tensor:
        """-> (count,) of NaN"""
        return torch.full((count,), torch.nan)


def available(what: str, get: Callable[[], Value]) -> Value | NotAvailable:
    """What `get` gives: a judge, or a score; anything wrong that a user can act on becomes the reason."""
    try:
        return get()
    except PrismAudioError as error:
        return NotAvailable(what, str(error))
