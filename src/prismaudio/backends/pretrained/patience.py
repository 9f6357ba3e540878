"""Asking again when a server is busy or out of reach: as it wishes, else twice as long each time; never for long."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from prismaudio.backends.pretrained.asking import Unanswered

T = TypeVar("T")

LONGEST_WAIT = 60.0  # seconds; who wants more is left alone


class Busy(Unanswered):
    """The same request may be answered later."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        """wait: seconds, as the server wishes"""
        super().__init__(message)
        self.wait = wait


class Patience(NamedTuple):
    """How long to wait for one answer, and how often to ask."""

    timeout: float = 120.0  # seconds
    tries: int = 3
    pause: float = 1.0  # seconds before the second try; doubles

    def ask(self, request: Callable[[], T]) -> T:
        """What `request` returns, at the first try that is not `Busy`."""
        for number in range(1, self.tries + 1):
            try:
                return request()
            except Busy as busy:
                wait = self.pause * 2 ** (number - 1) if busy.wait is None else busy.wait
                if number == self.tries or wait > LONGEST_WAIT:
                    times = "once" if number == 1 else f"{number} times"
                    raise Unanswered(f"{busy} (asked {times})") from None
                time.sleep(wait)
        raise Unanswered(f"asked {self.tries} times; give at least one try")


PATIENT = Patience()


def seconds(header: str | None) -> float | None:
    """Of a Retry-After header; None if it tells no number of them."""
    try:
        wait = float(header or "")
    except ValueError:
        return None
    return wait if wait >= 0 else None
