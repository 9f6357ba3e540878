"""From where does it sound, and is that where it should be? Weightless (spec rewards.md 4.2 and 1.4).

Time difference by GCC-PHAT and level difference, block by block; compared with a reference sound, or with where
things move in the picture. Signs as in the field: positive is left (the left ear hears it earlier, louder).
Azimuth is that of the stage: -1 the left edge of the screen, 1 the right.

Shapes: T blocks of 0.24 s every 0.12 s, K frames, H x W pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from prismaudio.evaluation.metrics.direction import weighted_median
from prismaudio.evaluation.metrics.proxy_sync import GREY
from prismaudio.models.interaural import HOP, RATE, WINDOW, Windows, windowed
from prismaudio.types import Audio, Frames

UNCLEAR = 1e-3  # peak of a block whose ears have nothing in common; it still has a level difference
ITD_SCALE_MS, ILD_SCALE_DB = 0.5, 12.0
EDGE_MS = 0.6  # time difference at the edge of the screen
STILL = 0.8  # quantile of motion that is background
LEAST_RESIDUAL = 0.1  # of all motion that must remain when the camera is held still
LEAST_SPREAD = 0.15  # of azimuth over time from which its course is judged, not its mean

Series = NDArray[np.float64]  # (T,) or (K,)


class Ears(NamedTuple):
    """A stereo sound, block by block."""

    itd_ms: Series
    left: Series  # mean power
    right: Series
    weight: Series  # 0 where it is too quiet to tell

    @property
    def itd(self) -> float:
        """Milliseconds; the median, loud and clear blocks weighing more."""
        return weighted_median(self.itd_ms, self.weight) if self.weight.any() else float("nan")

    @property
    def ild(self) -> float:
        """Decibels, left over right, of all that is heard."""
        heard = self.weight > 0
        return _decibels(self.left[heard].sum(), self.right[heard].sum()) if heard.any() else float("nan")

    @property
    def azimuths(self) -> Series:
        """(T,) -1 left to 1 right."""
        levels = np.array([_decibels(a, b) for a, b in zip(self.left, self.right, strict=True)])
        return _azimuth(self.itd_ms, levels)


class Movement(NamedTuple):
    """Where things move, frame by frame, the camera held still."""

    azimuths: Series  # (K,) -1 left to 1 right
    energy: Series  # (K,) 0 where nothing moves
    residual: float  # share of all motion that is not the camera's


def listen(audio: Audio) -> Ears:
    """audio: stereo -> its blocks"""
    return ears_of(windowed(audio.samples[None], audio.sample_rate))


def ears_of(found: Windows) -> Ears:
    """found: of one sound"""
    delay, clarity, left, right, heard = (x[0].double().numpy() for x in found)
    return Ears(1e3 * delay, left, right, np.sqrt(left + right) * np.maximum(clarity, UNCLEAR) * heard)


def agreement(found: Ears, true: Ears) -> float:
    """1 for the same time and level difference, 0 half a millisecond and 12 dB away; nan if either is silent."""
    itd = min(abs(found.itd - true.itd) / ITD_SCALE_MS, 1)
    ild = min(abs(found.ild - true.ild) / ILD_SCALE_DB, 1)
    return float(1 - 0.5 * itd - 0.5 * ild) if not np.isnan(itd + ild) else float("nan")


def agreement_with_picture(ears: Ears, movement: Movement, fps: float) -> float:
    """0 to 1 without any reference: is the sound where things move?

    Where the movement stays in place, 1 - |difference of azimuths| / 2; where it wanders, (1 + r) / 2 with the
    correlation over time. nan in silence, stillness, or when the camera explains more than 90 % of the motion.
    """
    if not ears.weight.any() or not movement.energy.any() or movement.residual < LEAST_RESIDUAL:
        return float("nan")
    seconds = (np.arange(len(ears.itd_ms)) * HOP + WINDOW / 2) / RATE
    frame = np.minimum((seconds * fps).astype(int), len(movement.azimuths) - 1)
    seen, weight = movement.azimuths[frame], ears.weight * np.sqrt(movement.energy[frame])
    if not weight.any():
        return float("nan")
    mean = np.average(seen, weights=weight)
    spread = np.sqrt(np.average((seen - mean) ** 2, weights=weight))
    heard = ears.azimuths
    if spread <= LEAST_SPREAD:
        return float(1 - abs(mean - float(_azimuth(ears.itd, ears.ild))) / 2)
    return (1 + _weighted_correlation(seen, heard, weight)) / 2


def watch(frames: Frames) -> Movement:
    """Where things move from each picture to the next; the camera's shift is found by phase correlation and undone."""
    grey = frames.images.astype(np.float32) @ GREY
    across = np.linspace(-1, 1, grey.shape[2])
    azimuths, energy, total, rest = np.zeros(len(grey)), np.zeros(len(grey)), 0.0, 0.0
    for k in range(1, len(grey)):
        steady = _steadied(grey[k - 1], grey[k])
        change = np.abs(grey[k] - steady)
        total += float(np.abs(grey[k] - grey[k - 1]).sum())
        rest += float(change.sum())
        moving = np.maximum(change - np.quantile(change, STILL), 0)
        energy[k] = moving.sum()
        if energy[k]:
            azimuths[k] = (moving.sum(axis=0) * across).sum() / energy[k]
    return Movement(azimuths, energy, min(rest / total, 1.0) if total else 0.0)


def _steadied(earlier: NDArray[np.float32], later: NDArray[np.float32]) -> NDArray[np.float32]:
    """The earlier picture moved as the camera moved; unmoved where that explains nothing. (H, W) -> (H, W)"""
    (right, down), _ = cv2.phaseCorrelate(
        earlier, later, cv2.createHanningWindow(later.shape[::-1], cv2.CV_32F)
    )
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(earlier, shift, earlier.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return moved if np.abs(later - moved).sum() < np.abs(later - earlier).sum() else earlier


def _azimuth(itd_ms: float | Series, ild_db: float | Series) -> NDArray[np.float64]:
    """Half by time, half by level difference."""
    by_time, by_level = (
        np.clip(-np.asarray(itd_ms) / EDGE_MS, -1, 1),
        np.clip(-np.asarray(ild_db) / 12, -1, 1),
    )
    return 0.5 * by_time + 0.5 * by_level


def _weighted_correlation(x: Series, y: Series, weight: Series) -> float:
    """Pearson's r with weights; 0 if either never changes."""
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    scale = np.sqrt(np.average(x**2, weights=weight) * np.average(y**2, weights=weight))
    return float(np.average(x * y, weights=weight) / scale) if scale > 1e-9 else 0.0


def _decibels(left: float, right: float) -> float:
    floor = 1e-12
    return float(10 * np.log10((left + floor) / (right + floor)))
