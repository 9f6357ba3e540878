"""What the released trainer does for one group of sounds, counted (spec rl.md sections 2, 3 and 5).

It judges one sound at a time, and computes anew for each what is the same for all of a group.
"""

import random
from statistics import mean

RANKS = 8  # processes of its large configuration
WORDS = "the sound in two crops of the first 7.5 s, and the text"
TIME = "14 segments of the film (4.8 s), 14 of the sound, one vote"
QUALITY = "the sound in one window of 10 s"
PLACE = "delays of the sound, and of the true sound"
CRW = "patches of one sound of 6 s, by a network whose weights are never loaded"
PASSES = {
    "semantic": WORDS,
    "temporal": TIME,
    "aesthetic": QUALITY,
    "spatial": PLACE,
}  # one each for every sound
CRW_PASSES = 2  # for every sound: itself and the true one


def first_noisy_steps(steps: int) -> list[int]:
    """Of its ranks: drawn from the rank's number at every call, so the same for a whole run."""
    return [random.Random(rank).randint(0, steps // 2) for rank in range(RANKS)]  # noqa: S311  # its own generator


def fast_grpo(steps: int, branch: int) -> float:
    """Network evaluations per sound, the mean over ranks: `branch` sounds share what precedes the noisy steps."""
    return mean(start / branch + steps - start for start in first_noisy_steps(steps))


def flow_grpo(steps: int) -> float:
    """Network evaluations per sound: nothing is shared."""
    return float(steps)
