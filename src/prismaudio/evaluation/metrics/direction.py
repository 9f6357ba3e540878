"""From where does it sound? The azimuth of every event, by level difference and by arrival time, beside the true one.

Only moments at which one event sounds alone are listened to: two places at once have no one direction.
Azimuth is that of the stage: -1 the left edge of the screen, 1 the right; 12 dB and 0.6 ms at the edge.

Shapes: F bins, K frames, T latent frames of 46 ms.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.temporal import Span
from prismaudio.models.spectral import frames_to_latents, stft
from prismaudio.models.stereo import DELAY_UNIT_S, LEVEL_UNIT_DB, analyse
from prismaudio.types import Audio

SIZE, HOP, FRAMES_PER_STEP = 2048, 512, 4
SHORTEST = 0.09  # seconds an event must be heard alone
SILENT_POWER = 1e-10  # mean power of a frame below which there is no direction: -100 dB


class Direction(NamedTuple):
    """Where one event is and from where it is heard; azimuths from -1 to 1."""

    true: float
    level: float  # by level difference
    delay: float  # by arrival time

    @property
    def combined(self) -> float:
        return (self.level + self.delay) / 2


class Interaural(NamedTuple):
    """A sound at its two ears, step by step; positive is right."""

    left: NDArray[np.float64]  # (T,) power
    right: NDArray[np.float64]  # (T,) power
    delay: NDArray[np.float64]  # (T,) lead of the right ear, 1 = 0.6 ms

    def level_db(self, chosen: NDArray[np.bool_]) -> float:
        """Right over left."""
        left, right = self.left[chosen].sum(), self.right[chosen].sum()
        floor = SILENT_POWER * chosen.sum()
        return float(10 * np.log10((right + floor) / (left + floor)))

    def delay_ms(self, chosen: NDArray[np.bool_]) -> float:
        """Lead of the right ear: the median over time, in which loud moments weigh more."""
        weights = np.sqrt(self.left + self.right)[chosen]
        return weighted_median(self.delay[chosen], weights) * DELAY_UNIT_S * 1e3


def directions(audio: Audio, plan: Plan) -> list[Direction]:
    """One entry for every event of `plan` that sounds alone for long enough; a silent one is heard in the middle."""
    ears = listen(audio)
    seconds = (np.arange(len(ears.delay)) + 0.5) * HOP * FRAMES_PER_STEP / audio.sample_rate
    places = {place.event: place for place in plan.spatial.places}
    active = {span.event: _is_active(span, seconds) for span in plan.temporal.spans}
    found = []
    crowd = np.sum(list(active.values()), axis=0)
    for event in [event for event in active if event in places]:
        alone = active[event] & (crowd == 1)
        if alone.sum() * HOP * FRAMES_PER_STEP < SHORTEST * audio.sample_rate:
            continue
        weights = np.sqrt(ears.left + ears.right)[alone] + SILENT_POWER
        true = np.average(places[event].azimuth_at(seconds[alone]), weights=weights)
        level = ears.level_db(alone) / LEVEL_UNIT_DB
        delay = ears.delay_ms(alone) / (DELAY_UNIT_S * 1e3)
        found.append(Direction(float(true), float(np.clip(level, -1, 1)), float(np.clip(delay, -1, 1))))
    return found


def listen(audio: Audio) -> Interaural:
    """Level and arrival time of a stereo sound in steps of 46 ms (GCC-PHAT, `models.stereo`)."""
    step = HOP * FRAMES_PER_STEP
    padded = torch.nn.functional.pad(audio.samples, (0, -audio.samples.shape[-1] % step))
    spectrum = stft(padded, SIZE, HOP)[..., :-1]
    power = frames_to_latents(spectrum.abs() ** 2, FRAMES_PER_STEP).mean(dim=-1).sum(dim=1)  # (2, T)
    image = analyse(spectrum[None], audio.sample_rate, FRAMES_PER_STEP)
    left, right = power.double().numpy()
    return Interaural(left, right, image.delay[0, 0].double().numpy())


def _is_active(span: Span, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """When an event is heard: after each hit for as long as after the last, or throughout its span."""
    tail = span.offset - span.hits[-1] if span.hits else span.offset - span.onset
    starts = span.hits or (span.onset,)
    return np.any([(seconds >= start) & (seconds < start + tail) for start in starts], axis=0)


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The value with half of the weight on either side; the plain median where all weights are 0."""
    if not weights.sum():
        return float(np.median(values))
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, 0.5)])


def correlation(true: Sequence[float], found: Sequence[float]) -> float:
    """Pearson's r; 0 if everything is heard at the same place, nan if fewer than three events or one true place."""
    if len(true) < 3 or np.std(true) < 1e-6:
        return float("nan")
    if np.std(found) < 1e-6:
        return 0.0
    return float(np.corrcoef(true, found)[0, 1])
