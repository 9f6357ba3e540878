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
    noise: float = 1.0  # what stays under so many times the median of its band is the band's own noise
    lag: int = 10  # frames between the spectra that are compared: long enough for a soft attack
    sharp_lag: int = 2  # the same when the moment is pinned down
    neighbours: int = 9  # mel bands over which a partial may have wandered
    threshold: float = 0.2  # nats a peak of flux must exceed
    above_mean: float = 3.0  # and so many times the mean flux of the second around
    gap: float = 0.19  # seconds between onsets

    def __call__(self, audio: Audio) -> list[float]:
        """-> rising seconds."""
        hop = round(audio.sample_rate / self.frames_per_second)
        rate = audio.sample_rate / hop
        loudness = self.loudness(audio, hop)
        flux, sharp = (rise(loudness, lag, self.neighbours) for lag in (self.lag, self.sharp_lag))
        highest = maximum_filter1d(flux, 2 * round(0.03 * rate) + 1)
        around = uniform_filter1d(flux, round(rate))
        peaks = np.flatnonzero((flux == highest) & (flux > self.threshold + self.above_mean * around))
        kept = _spaced(peaks, flux[peaks], round(self.gap * rate))
        return sorted({float(self._moment(sharp, peak) / rate) for peak in kept})

    def loudness(self, audio: Audio, hop: int) -> NDArray[np.float32]:
        """-> (M, K) log magnitude in nats, 0 where nothing but noise is heard."""
        power = (stft(audio.samples, SIZE, hop).abs() ** 2).mean(dim=0)
        magnitude = (mel_filters(BANDS, SIZE, audio.sample_rate) @ power).sqrt().numpy()
        audible = max(float(magnitude.max()) * 10 ** (-self.range_db / 20), 1e-7)
        noise = self.noise * np.median(magnitude, axis=1, keepdims=True)
        return np.log1p(magnitude / np.maximum(noise, audible))

    def _moment(self, sharp: NDArray[np.float32], peak: int) -> int:
        """The frame of the steepest rise among those that the peak compares."""
        first = max(peak - self.lag, 0)
        return first + int(np.argmax(sharp[first : peak + 3]))


def rise(loudness: NDArray[np.float32], lag: int, neighbours: int) -> NDArray[np.float32]:
    """loudness: (M, K) -> (K,) mean growth within `lag` frames; the beginning of the clip is no growth."""
    reference = maximum_filter1d(loudness, neighbours, axis=0)
    earlier = np.pad(reference, ((0, 0), (lag, 0)), mode="edge")[:, : loudness.shape[1]]
    return np.maximum(loudness - earlier, 0).mean(axis=0)


DETECTOR = OnsetDetector()


def _spaced(peaks: NDArray[np.intp], strengths: NDArray[np.float32], gap: int) -> list[int]:
    """Of peaks closer than `gap` the strongest; strongest first, so that a chain of peaks keeps its ends."""
    kept: list[int] = []
    for peak in peaks[np.argsort(-strengths, kind="stable")]:
        if all(abs(peak - other) >= gap for other in kept):
            kept.append(int(peak))
    return kept


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
