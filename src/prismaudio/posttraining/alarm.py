"""The alarm against reward hacking: what is optimised rises while what is not optimised falls.

Pure: an alarm is a function of the examinations so far, so a resumed run comes to the same verdict.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field, NonNegativeFloat, PositiveInt

from prismaudio.config import Config


class AlarmConfig(Config):
    """When the alarm is raised."""

    gold_margin: NonNegativeFloat = Field(0.03, description="by which gold may lie below its best")
    fd_factor: float = Field(1.5, gt=1, description="of the first distance to true sound that is too far")
    patience: PositiveInt = Field(2, description="examinations in a row that must agree")
    stop: bool = Field(False, description="end the run when the alarm is raised")


class Point(NamedTuple):
    """One examination of held-out scenes."""

    iteration: int
    reward: float  # weighted mean of the rewards that are optimised
    gold: float  # 0 to 1, of a judge that is not
    fd: float  # distance of the features of generated and true sounds, lower is better


def findings(history: Sequence[Point], rule: AlarmConfig) -> tuple[str, ...]:
    """Why the alarm is raised at the last of `history`, one sentence each; none while all is well."""
    recent = history[-rule.patience :]
    if len(recent) < rule.patience:
        return ()
    last, found = history[-1], []
    if all(_gamed(history[: history.index(point)], point, rule) for point in recent):
        best = _highest(history)
        found.append(
            f"the reward rose from {best.reward:.3f} to {last.reward:.3f} while gold, which is not optimised, fell "
            f"from {best.gold:.3f} (iteration {best.iteration}) to {last.gold:.3f}"
        )
    if all(_far(history[0], point, rule) for point in recent):
        found.append(
            f"sounds moved away from true ones: distance {last.fd:.3f}, {history[0].fd:.3f} at the start"
        )
    return tuple(found)


def best(history: Sequence[Point], rule: AlarmConfig) -> Point:
    """The examination with the highest gold of those not too far from true sound, the first of equals."""
    return _highest([point for point in history if not _far(history[0], point, rule)])


def _gamed(before: Sequence[Point], point: Point, rule: AlarmConfig) -> bool:
    """Whether gold fell since some earlier examination, and the reward rose since the one with the highest gold."""
    if not before:
        return False
    top = _highest(before)
    return point.gold < top.gold - rule.gold_margin and point.reward > top.reward


def _far(first: Point, point: Point, rule: AlarmConfig) -> bool:
    return point.fd > rule.fd_factor * first.fd


def _highest(points: Sequence[Point]) -> Point:
    return max(points, key=lambda point: point.gold)
