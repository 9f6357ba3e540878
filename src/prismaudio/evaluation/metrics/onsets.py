"""When does it begin to sound? Onsets found in audio, and how many of them are where they should be.

The detector is spectral flux of log-mel magnitudes with a maximum filter over frequency, which ignores vibrato (Boeck &
Widmer 2013, "SuperFlux"), over each band's own noise floor. Its settings were chosen on training scenes of the stage.

Shapes: M mel bands, K frames of 5 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from prismaudio.dimensions.plan import Plan
from prismaudio.models.spectral import mel_filters, stft
from prismaudio.types import Audio

TOLERANCE = 0.08  # seconds
FIRST_JUDGED = 0.1  # seconds; whether a sound begins or goes on at the cut cannot be heard
ONE_TO_THE_EAR = 0.05  # seconds between onsets that nobody tells apart
SIZE = 1024
BANDS = 80


@dataclass(frozen=True)
class OnsetDetector:
    """Audio -> the seconds at which something begins to sound."""

    frames_per_second: float = 200.0
    range_db: float = 50.0  # below the loudest band and moment of the clip: not heard
    floor: float = 2.0  # what stays under so many times the median of its band is that band's noise
    lag: int = 4  # frames between the spectra that are compared
    neighbours: int = 3  # mel bands over which a partial may have wandered
    threshold: float = 0.3
    above_mean: float = 2.5  # and so many times the mean flux of the second before
    gap: float = 0.18  # seconds between onsets

    def __call__(self, audio: Audio) -> list[float]:
        """-> rising seconds."""
        hop = round(audio.sample_rate / self.frames_per_second)
        rate = audio.sample_rate / hop
        flux = self.flux(audio, hop)
        highest = maximum_filter1d(flux, 2 * round(0.03 * rate) + 1)
        second = round(rate)
        before = uniform_filter1d(flux, second, mode="constant", origin=(second - 1) // 2)
        peaks = np.flatnonzero((flux == highest) & (flux > self.threshold + self.above_mean * before))
        seconds = (peaks - self.lag / 4) / rate  # flux peaks when the window is full of the new sound
        return _spaced(seconds, flux[peaks], self.gap)

    def flux(self, audio: Audio, hop: int) -> NDArray[np.float32]:
        """-> (K,) mean rise of log magnitude over `lag` frames, in nats."""
        power = (stft(audio.samples, SIZE, hop).abs() ** 2).mean(dim=0)
        magnitude = (mel_filters(BANDS, SIZE, audio.sample_rate) @ power).sqrt().numpy()  # (M, K)
        audible = max(float(magnitude.max()) * 10 ** (-self.range_db / 20), 1e-7)
        noise = self.floor * np.median(magnitude, axis=1, keepdims=True)
        loudness = np.log1p(magnitude / np.maximum(noise, audible))
        reference = maximum_filter1d(loudness, self.neighbours, axis=0)
        earlier = np.pad(reference, ((0, 0), (self.lag, 0)), mode="edge")[:, : loudness.shape[1]]
        return np.maximum(loudness - earlier, 0).mean(axis=0)


DETECTOR = OnsetDetector()


def _spaced(seconds: NDArray[np.float64], strengths: NDArray[np.float32], gap: float) -> list[float]:
    """Of peaks closer than `gap` the strongest; strongest first, so that a chain of peaks keeps its ends."""
    kept: list[float] = []
    for index in np.argsort(-strengths, kind="stable"):
        if all(abs(seconds[index] - other) >= gap for other in kept):
            kept.append(float(seconds[index]))
    return sorted(kept)


class Matches(NamedTuple):
    """Onsets that are where they should be, of those found and of those that are true."""

    hits: int
    found: int
    true: int

    @property
    def precision(self) -> float:
        return self.hits / self.found if self.found else float(not self.true)

    @property
    def recall(self) -> float:
        return self.hits / self.true if self.true else float(not self.found)

    @property
    def f1(self) -> float:
        """Nothing found where nothing is true is perfect."""
        return 2 * self.hits / (self.found + self.true) if self.found + self.true else 1.0

    @classmethod
    def pooled(cls, clips: Sequence["Matches"]) -> Self:
        """All onsets of all clips together, so that a clip counts by its number of onsets."""
        hits, found, true = np.sum(clips, axis=0, dtype=int) if clips else (0, 0, 0)
        return cls(int(hits), int(found), int(true))


def onset_f1(found: Sequence[float], true: Sequence[float], tolerance: float = TOLERANCE) -> Matches:
    """Match one to one, as many as possible.

    Going through both in order and pairing whenever possible is optimal: with one tolerance for all, uncrossing two
    pairs never parts them.
    """
    found, true = sorted(found), sorted(true)
    i = j = hits = 0
    while i < len(found) and j < len(true):
        if abs(found[i] - true[j]) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[i] < true[j]:
            i += 1
        else:
            j += 1
    return Matches(hits, len(found), len(true))


def judged_onsets(plan: Plan) -> list[float]:
    """The truth: every hit and every beginning of a continuous sound, except at the very start of the clip.

    What crackles inside a fire or patters inside rain is not in the plan and counts as found too much, in the true
    sound as in a generated one: the figure of the true sound is the ceiling.
    """
    onsets: list[float] = []
    for onset in plan.onsets():
        if onset > FIRST_JUDGED and (not onsets or onset - onsets[-1] > ONE_TO_THE_EAR):
            onsets.append(onset)
    return onsets


def score_onsets(audio: Audio, plan: Plan, detector: OnsetDetector = DETECTOR) -> Matches:
    """How well the onsets of `audio` are those of `plan`."""
    return onset_f1([t for t in detector(audio) if t > FIRST_JUDGED], judged_onsets(plan))
