"""Do sound and picture change together? A weightless stand-in for a learned judge of synchrony (spec rewards.md 4.1).

Growth of loudness in 24 bands against growth of motion; the shift at which they agree best is the offset.

Shapes: K frames at 25 fps, F bins, J short frames at 100 fps.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from prismaudio.media.audio import resample
from prismaudio.media.preprocess import View
from prismaudio.models.spectral import stft
from prismaudio.types import Audio, Frames

FPS = 25
VIEW = View(fps=FPS, width=56, height=32, fit="stretch")
RATE = 44_100
SHORT_FRAMES = 4  # of sound for every frame of picture
SIZE = 1024
BANDS, LOWEST_HZ = 24, 50.0
FLOOR = 1e-6  # of the loudest band, below which nothing is heard
SMOOTH = 0.06  # seconds
LONGEST, STEP = 2.0, 0.2  # seconds of offset
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601 luma

Curve = NDArray[np.float64]  # (K,)


class Synchrony(NamedTuple):
    """How a sound lies against its picture."""

    offset: float  # seconds; positive: the sound is late
    confidence: float  # 0 to 1: how much better that offset fits than the median one

    @property
    def score(self) -> float:
        """0 to 0.5, as the published reward of synchrony counts it: (2 - |offset|) / 4, times how sure it is."""
        return (LONGEST - abs(self.offset)) / (2 * LONGEST) * self.confidence


def onset_curve(audio: Audio) -> Curve:
    """-> (K,) growth of log band power, its largest value within each picture's time."""
    samples = resample(audio, RATE).samples
    power = (stft(samples, SIZE, RATE // (FPS * SHORT_FRAMES)).abs() ** 2).mean(dim=0)  # (F, J)
    edges = np.geomspace(LOWEST_HZ, RATE / 2, BANDS + 1)
    member = np.clip(np.digitize(np.linspace(0, RATE / 2, len(power)), edges) - 1, -1, BANDS - 1)
    masks = torch.from_numpy(np.stack([member == band for band in range(BANDS)])).to(power)
    bands = (masks @ power).double().numpy()
    if not bands.any():
        return np.zeros(max(bands.shape[1] // SHORT_FRAMES, 1))
    level = np.log(bands + FLOOR * bands.max())
    flux = np.maximum(np.diff(level, axis=1, prepend=level[:, :1]), 0).sum(axis=0)
    flux = flux[: len(flux) // SHORT_FRAMES * SHORT_FRAMES]
    return flux.reshape(-1, SHORT_FRAMES).max(axis=1)


def motion_curve(frames: Frames) -> Curve:
    """frames seen through `VIEW` -> (K,) growth of the mean change from picture to picture."""
    grey = frames.images.astype(np.float32) @ GREY
    change = np.abs(np.diff(grey, axis=0, prepend=grey[:1])).mean(axis=(1, 2)).astype(np.float64)
    return np.maximum(np.diff(change, prepend=change[:1]), 0)


def synchrony(onsets: Curve, motion: Curve) -> Synchrony:
    """Both (K,), cut to the shorter; what never changes has no synchrony, which is offset 0 at confidence 0."""
    length = min(len(onsets), len(motion))
    sound, picture = (gaussian_filter1d(curve[:length], SMOOTH * FPS) for curve in (onsets, motion))
    steps = round(STEP * FPS)
    reach = round(LONGEST / STEP)
    lags = [k * steps for k in range(-reach, reach + 1) if length - abs(k * steps) >= FPS]
    if not lags or sound.std() < 1e-9 or picture.std() < 1e-9:
        return Synchrony(0.0, 0.0)
    fits = np.array([_correlation(sound, picture, lag) for lag in lags])
    best, median = int(fits.argmax()), float(np.median(fits))
    confidence = float(np.clip((fits[best] - median) / max(1 - median, 1e-9), 0, 1))
    return Synchrony(lags[best] / FPS, confidence)


def _correlation(sound: Curve, picture: Curve, lag: int) -> float:
    """Pearson's r of the sound, `lag` frames late, with the picture where both are; 0 if one is flat there."""
    length = len(sound)
    a = sound[max(lag, 0) : length + min(lag, 0)]
    b = picture[max(-lag, 0) : length + min(-lag, 0)]
    if a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
