"""What is technically wrong with a sound? A weightless detector of defects, not a judge of beauty (spec rewards.md 4.3).

Rain and hiss are stationary noise to it. Seven marks from 0 to 1 - level, crest, roll-off, clipping, noise, silence,
offset - and their geometric mean, so that one defect shows.

Shapes: n samples, F bins, K frames.
"""

import numpy as np
from numpy.typing import NDArray

from prismaudio.media.loudness import integrated_loudness
from prismaudio.models.spectral import stft
from prismaudio.types import Audio

LEAST_MARK = 0.02  # so that a second defect still shows beside a first
INAUDIBLE_DBFS = -90.0
LOUDNESS_LUFS = (-60.0, -30.0, -12.0, 0.0)  # the corners of a trapezoid: 0 outside, 1 inside the inner two
CREST_DB = (2.0, 8.0, 24.0, 40.0)
ROLL_OFF_HZ = (300.0, 4_000.0, 20_000.0, 30_000.0)
CLIPPED = 0.999  # of the peak; only runs count, a single highest sample is none
STEADY_DB = 6.0  # of loudness over time: only what is steadier can be noise
SILENT_DB = -60.0  # of the loudest frame
OFFSET = 0.05  # of full scale at which the mark is 0
SIZE, HOP = 2048, 1024


def quality(audio: Audio) -> float:
    """0 (silence, or everything wrong) to 1."""
    samples = audio.samples.double().numpy()
    rms = float(np.sqrt((samples**2).mean())) if samples.size else 0.0
    if rms < 10 ** (INAUDIBLE_DBFS / 20):
        return 0.0
    found = np.maximum(list(marks(audio).values()), LEAST_MARK)
    return float(np.exp(np.log(found).mean()))


def marks(audio: Audio) -> dict[str, float]:
    """Each from 0 to 1, for a sound that is not silent."""
    samples = audio.samples.double().numpy()
    power = (stft(audio.samples, SIZE, HOP).abs() ** 2).mean(dim=0).double().numpy()  # (F, K)
    frames = power.sum(axis=0)
    level = 10 * np.log10(frames / frames.max() + 1e-12)
    peak, rms = float(np.abs(samples).max()), float(np.sqrt((samples**2).mean()))
    return {
        "level": trapezoid(integrated_loudness(audio), LOUDNESS_LUFS),
        "crest": trapezoid(20 * np.log10(peak / rms), CREST_DB),
        "roll-off": trapezoid(roll_off(power.mean(axis=1), audio.sample_rate), ROLL_OFF_HZ),
        "clipping": float(np.exp(-200 * clipped_share(samples))),
        "noise": noise_mark(power, level),
        "silence": float(np.clip(1 - ((level < SILENT_DB).mean() - 0.5) / 0.5, 0, 1)),
        "offset": float(np.clip(1 - np.abs(samples.mean(axis=1)).max() / OFFSET, 0, 1)),
    }


def trapezoid(value: float, corners: tuple[float, float, float, float]) -> float:
    """0 outside the outer corners, 1 between the inner ones, straight between."""
    return float(np.interp(value, corners, (0, 1, 1, 0)))


def roll_off(spectrum: NDArray[np.float64], sample_rate: int) -> float:
    """(F,) power -> Hz below which 99 % of it lies."""
    share = np.cumsum(spectrum) / spectrum.sum()
    return float(np.searchsorted(share, 0.99) * sample_rate / 2 / (len(spectrum) - 1))


def clipped_share(samples: NDArray[np.float64]) -> float:
    """(2, n) -> share of samples that lie at the peak beside another that does."""
    highest = np.abs(samples) >= CLIPPED * np.abs(samples).max()
    return float((highest[:, 1:] & highest[:, :-1]).mean()) if samples.shape[1] > 1 else 0.0


def noise_mark(power: NDArray[np.float64], level: NDArray[np.float64]) -> float:
    """(F, K), (K,) dB -> lower the flatter the spectrum of a steady sound is."""
    if np.percentile(level, 95) - np.percentile(level, 10) >= STEADY_DB:
        return 1.0
    spectrum = power.mean(axis=1)[1:-1] + 1e-20
    flatness = np.exp(np.log(spectrum).mean()) / spectrum.mean()
    return float(np.clip(1 - (flatness - 0.3) / 0.6, 0, 1))
