"""Sound a scene: recordings placed to the sample, panned by screen x, put in a room, and damaged as quality says.

Shapes: N samples at 44.1 kHz; stereo is (2, N).
"""

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from prismaudio.dimensions.aesthetic import Flaw
from prismaudio.stage.corpus import SAMPLE_RATE, Recording, read_sound
from prismaudio.stage.scene import Scene, Source

Samples = NDArray[np.float32]
DELAY_S = 0.6e-3  # between the ears, for a source at the edge of the screen
LEVEL_DB = 12.0
PEAKS = {"quiet": 0.15, "balanced": 0.45, "loud": 0.9}


def mix(scene: Scene) -> Samples:
    """-> (2, N) in [-1, 1], exactly as long as the scene."""
    rng = np.random.default_rng((scene.noise_seed, 3))
    length = round(scene.duration * SAMPLE_RATE)
    stereo = np.zeros((2, length), dtype=np.float32)
    for source in scene.sources:
        stereo += pan(_dry(source, length), _azimuths(source, length))
    stereo = _in_room(stereo, scene.room, rng)
    for recording in scene.ambience:
        stereo += _bed(recording, length, rng) * _gain(scene.ambience_db)
    peak = float(np.abs(stereo).max())
    if peak > 0:
        stereo *= PEAKS[scene.loudness] / peak
    return damaged(stereo, scene.flaws, scene.quality, rng)


def pan(mono: Samples, azimuth: Samples) -> Samples:
    """mono: (N,), azimuth: (N,) or (1,) in [-1, 1] -> (2, N): nearer ear earlier and louder, power kept."""
    ratio = 10 ** (LEVEL_DB * azimuth / 10)
    gains = np.stack([np.sqrt(2 / (1 + ratio)), np.sqrt(2 * ratio / (1 + ratio))]).astype(np.float32)
    # each ear is late by what the sound has farther to go than to the nearer one
    late = np.stack([np.maximum(azimuth, 0), np.maximum(-azimuth, 0)]) * (DELAY_S * SAMPLE_RATE)
    return gains * np.stack([_delayed(mono, late[ear]) for ear in range(2)])


def _delayed(mono: Samples, samples: Samples) -> Samples:
    """A constant delay is rounded to a sample (23 us), a moving one interpolates."""
    if samples.size == 1:
        shift = round(float(samples[0]))
        return np.concatenate([np.zeros(shift, np.float32), mono[: len(mono) - shift]])
    grid = np.arange(len(mono), dtype=np.float64)
    return np.interp(grid - samples, grid, mono, left=0).astype(np.float32)


def _azimuths(source: Source, length: int) -> Samples:
    """-> (N,), or (1,) for a source that stays where it is."""
    if abs(source.path.end[0] - source.path.start[0]) < 1e-6:
        return np.array([source.path.start[0]], dtype=np.float32)
    coarse = np.linspace(0, length / SAMPLE_RATE, 200)
    values = [source.path.at(float(t))[0] for t in coarse]
    return np.interp(np.arange(length) / SAMPLE_RATE, coarse, values).astype(np.float32)


def _dry(source: Source, length: int) -> Samples:
    """The source alone, mono, with distance as gain and loss of treble."""
    track = _struck(source, length) if source.hits else _sustained(source, length)
    distance = source.distance()
    track *= _gain(source.gain_db - 10 * distance) * _approach(source, length)
    if distance > 0.5:
        track = sosfilt(butter(1, 9000 - 6000 * distance, fs=SAMPLE_RATE, output="sos"), track).astype(
            np.float32
        )
    return track


def _approach(source: Source, length: int) -> Samples | float:
    """Louder as it grows on screen: gain proportional to size, relative to the mean size."""
    start, end = source.path.start[2], source.path.end[2]
    if abs(start - end) < 1e-6:
        return 1.0
    coarse = np.linspace(0, length / SAMPLE_RATE, 100)
    sizes = np.array([source.path.at(float(t))[2] for t in coarse])
    return np.interp(np.arange(length) / SAMPLE_RATE, coarse, sizes / sizes.mean()).astype(np.float32)


def _struck(source: Source, length: int) -> Samples:
    track = np.zeros(length, dtype=np.float32)
    ends = [*source.hits[1:], np.inf]
    for hit, strength, recording, following in zip(
        source.hits, source.strengths, source.recordings, ends, strict=True
    ):
        sound = _levelled(recording, source.speed)
        start = round(hit * SAMPLE_RATE)
        # a source cannot sound twice at once: the earlier hit makes way for the next
        room = int(min((following - hit + 0.15) * SAMPLE_RATE, length - start, 3.0 * SAMPLE_RATE))
        cut = sound[: max(room, 0)].copy()
        _fade(cut, tail=0.08)
        track[start : start + len(cut)] += strength * cut
    return track


def _sustained(source: Source, length: int) -> Samples:
    track = np.zeros(length, dtype=np.float32)
    start, end = (round(t * SAMPLE_RATE) for t in source.span)
    end = min(end, length)
    sound = looped(_levelled(source.recordings[0], source.speed), end - start)
    starts_later, ends_sooner = source.span[0] > 0.01, end < length
    _fade(sound, head=0.02 if starts_later else 0.0, tail=0.15 if ends_sooner else 0.0)
    track[start:end] = sound
    return track


def looped(sound: Samples, length: int, overlap: int = 4410) -> Samples:
    """sound: (N,) repeated with cross-fades -> (length,)"""
    if len(sound) >= length:
        return sound[:length].copy()
    overlap = min(overlap, len(sound) // 3)
    ramp = np.linspace(0, 1, overlap, dtype=np.float32)
    out = sound
    while len(out) < length:
        joint = out[-overlap:] * np.sqrt(1 - ramp) + sound[:overlap] * np.sqrt(ramp)
        out = np.concatenate([out[: len(out) - overlap], joint, sound[overlap:]])
    return out[:length].copy()


def _levelled(recording: Recording, speed: float) -> Samples:
    """Mono, from its onset, at a common loudness, played at `speed`."""
    sound = read_sound(recording.path).mean(axis=0)
    sound = sound[min(int(recording.onset * SAMPLE_RATE), max(len(sound) - 2205, 0)) :]
    if speed != 1.0:
        sound = soxr.resample(sound, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
    loudest = float(np.sqrt(_smoothed(sound**2, 2205).max()))
    return (sound * (0.2 / max(loudest, 1e-4))).astype(np.float32)


def _smoothed(power: Samples, width: int) -> Samples:
    """Moving mean over `width` samples (fewer for a shorter sound)."""
    width = min(width, len(power))
    total = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    return ((total[width:] - total[:-width]) / width).astype(np.float32)


def _fade(sound: Samples, *, head: float = 0.0, tail: float = 0.0) -> None:
    """In place, seconds."""
    first, last = (min(int(s * SAMPLE_RATE), len(sound)) for s in (head, tail))
    sound[:first] *= np.linspace(0, 1, first, dtype=np.float32)
    sound[len(sound) - last :] *= np.linspace(1, 0, last, dtype=np.float32)


def _bed(recording: Recording, length: int, rng: Generator) -> Samples:
    """Ambience all around: two different moments of one recording, one per ear."""
    sound = _levelled(recording, 1.0)
    ears = []
    for _ in range(2):
        start = int(rng.integers(max(len(sound) // 2, 1)))
        ears.append(looped(np.roll(sound, -start), length))
    return np.stack(ears) * 5  # the level is relative to full scale


def _in_room(stereo: Samples, room: str, rng: Generator) -> Samples:
    if room == "dry":
        return stereo
    seconds, wet = (0.25, 0.12) if room == "room" else (0.9, 0.2)
    n = int(seconds * SAMPLE_RATE)
    decay = np.exp(-6.9 * np.arange(n) / n).astype(np.float32)
    response = rng.standard_normal((2, n)).astype(np.float32) * decay
    response /= np.sqrt((response**2).sum(axis=1, keepdims=True))
    tail = fftconvolve(stereo.mean(axis=0)[None], response, axes=1)[:, : stereo.shape[1]]
    return (stereo + wet * 4 * tail / 2).astype(np.float32)


def damaged(stereo: Samples, flaws: Sequence[Flaw], quality: float, rng: Generator) -> Samples:
    """(2, N) -> (2, N): with the flaws of a recording, stronger the lower the quality, 0 to 1."""
    severity = 1 - quality
    for flaw in flaws:
        if flaw == "noise":
            level = _gain(-62 + 34 * severity)
            stereo = stereo + level * rng.standard_normal(stereo.shape).astype(np.float32)
        elif flaw == "hum":
            t = np.arange(stereo.shape[1]) / SAMPLE_RATE
            tone = np.sum([np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 5)], axis=0)
            stereo = stereo + (_gain(-52 + 24 * severity) * tone).astype(np.float32)
        elif flaw == "clipping":
            peak = max(float(np.abs(stereo).max()), 1e-6)
            ceiling = peak * (1 - 0.85 * severity)
            stereo = np.clip(stereo, -ceiling, ceiling) * (peak / ceiling) * 0.9
        else:
            cutoff = 9000 * (1 - severity) + 1200
            stereo = sosfilt(butter(4, cutoff, fs=SAMPLE_RATE, output="sos"), stereo, axis=1)
    return np.clip(stereo, -1, 1).astype(np.float32)


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))
