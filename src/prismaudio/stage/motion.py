"""How a thing moves when it sounds: the picture goes *into* the hit and recoils from it.

All functions give an offset at second `t` for hits at known instants. Units: displacement in shares of the sprite's size
(down is positive), rotation in degrees, stretch as a factor.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from prismaudio.stage.scene import Gesture, Source

LEAD = 0.28  # seconds of visible run-up before a hit


class Pose(NamedTuple):
    """What a gesture adds to a sprite's place on its path."""

    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    stretch: float = 1.0  # height factor; width takes the inverse


def pose(source: Source, t: float) -> Pose:
    """The pose of a source at second `t`: striking, vibrating while it sounds, or still."""
    if source.hits:
        return _striking(source.gesture, t, source.hits)
    start, end = source.span
    return _vibrating(t) if source.recordings and start <= t < end else Pose()


def _striking(gesture: Gesture, t: float, hits: Sequence[float]) -> Pose:
    ahead = min((hit - t for hit in hits if hit >= t), default=math.inf)
    since = min((t - hit for hit in hits if hit < t), default=math.inf)
    gap = ahead + since
    lead = min(LEAD, 0.6 * gap) if math.isfinite(gap) else LEAD
    raised = max(0.0, 1 - ahead / lead) if ahead < lead else 0.0  # 0 at the start of the run-up, 1 at the hit
    lift = raised_arc(raised) if ahead < lead else 0.0
    recoil = math.exp(-since / 0.08) if math.isfinite(since) else 0.0
    match gesture:
        case "fall":
            return Pose(dy=-0.9 * _bounce(ahead, since), stretch=1 - 0.25 * recoil)
        case "swing":
            return Pose(angle=55 * lift + 8 * recoil * math.sin(60 * min(since, 1)))
        case "hop":
            return Pose(dy=-0.6 * lift, stretch=1 - 0.2 * recoil)
        case "squash":
            return Pose(stretch=1 + 0.3 * lift - 0.35 * recoil)
        case "shake":
            return Pose(dx=-0.35 * lift + 0.18 * recoil * math.cos(70 * min(since, 1)))


def raised_arc(share: float) -> float:
    """0 -> 1 -> 0 over the run-up: slow rise, and a fall that is fastest at the hit."""
    return (1 - share) * math.sqrt(max(share, 0.0)) * 2.6 if share < 1 else 0.0


def _bounce(ahead: float, since: float) -> float:
    """Height of a bouncing ball: parabolas between hits, a drop before the first, a dying hop after the last."""
    if math.isfinite(ahead) and math.isfinite(since):
        gap = ahead + since
        return min(4 * ahead * since / gap**2, 1.0) * min(gap / 0.6, 1.3)
    if math.isfinite(ahead):
        return max(0.0, 1 - (1 - min(ahead / 0.45, 1.0)) ** 2)
    hop = 0.22
    return 0.25 * max(0.0, 4 * since * (hop - since) / hop**2) if since < hop else 0.0


def _vibrating(t: float) -> Pose:
    """What an engine, a saw or a fire does for as long as it is heard."""
    return Pose(dx=0.03 * math.sin(2 * math.pi * 9.3 * t), dy=0.04 * math.sin(2 * math.pi * 7.1 * t + 1))
