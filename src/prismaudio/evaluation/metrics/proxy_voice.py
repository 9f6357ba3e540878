"""Is somebody speaking? A weightless test for voices over a film: gliding pitch, and loudness in the rhythm of syllables.

It was made for one voice near a microphone. Crowds it mostly misses, and some animals and sirens it takes for voices.

Shapes: N samples, W windows of a second, J frames of 40 ms.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from prismaudio.media.audio import resample
from prismaudio.types import Audio

RATE = 8000
FRAME, HOP = 320, 80  # samples: 40 ms, every 10 ms
LOWEST_HZ, HIGHEST_HZ = 75, 350  # of a voice's pitch
PERIODIC = 0.6  # normalised autocorrelation of a voiced frame
VOICED = (0.25, 0.95)  # share of voiced frames in a second of speech
GLIDE = (0.3, 5.0)  # semitones of deviation of pitch within it
SYLLABLES_HZ = (2.0, 8.0)
RHYTHM = 0.35  # share of the envelope's modulation that lies there
SILENT = 1e-7  # power, -70 dBFS


def voiced_share(audio: Audio) -> float:
    """0 to 1: the share of seconds that are not silent in which a voice may speak; 0 if all is silent."""
    samples = resample(audio, RATE).samples.mean(dim=0).double().numpy()
    band = (
        sosfiltfilt(butter(4, (70, 3400), "bandpass", fs=RATE, output="sos"), samples)
        if len(samples) > 64
        else samples
    )
    starts = range(0, max(len(band) - RATE, 0) + 1, RATE // 2)
    windows = [window for s in starts if (window := band[s : s + RATE]).size and (window**2).mean() > SILENT]
    return float(np.mean([is_voice(window) for window in windows])) if windows else 0.0


def is_voice(window: NDArray[np.float64]) -> bool:
    """window: (N,) about a second of band-limited sound."""
    if len(window) < RATE // 2:
        return False
    frames = sliding_window_view(window, FRAME)[::HOP]
    power = (frames**2).mean(axis=1)
    pitch, periodic = pitches(frames)
    voiced = (periodic > PERIODIC) & (power > 0.02 * power.max())
    if not VOICED[0] <= voiced.mean() <= VOICED[1]:
        return False
    semitones = 12 * np.log2(pitch[voiced])
    glide = float(np.percentile(semitones, 84) - np.percentile(semitones, 16)) / 2
    return GLIDE[0] <= glide <= GLIDE[1] and rhythm(power) >= RHYTHM


def pitches(frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """frames: (J, FRAME) -> Hz (J,), and how periodic each is, 0 to 1."""
    size = 2 * FRAME
    spectrum = np.fft.rfft(frames * np.hanning(FRAME), size)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(FRAME), size)) ** 2)[:FRAME]
    curve = np.fft.irfft(np.abs(spectrum) ** 2)[:, :FRAME] / np.maximum(window, 1e-3 * window[0])
    curve /= np.maximum(curve[:, :1], 1e-12)
    first, last = RATE // HIGHEST_HZ, RATE // LOWEST_HZ
    best = curve[:, first : last + 1].argmax(axis=1)
    return RATE / (best + first), np.clip(curve[np.arange(len(curve)), best + first], 0, 1)


def rhythm(power: NDArray[np.float64]) -> float:
    """power: (J,) at 100 Hz -> the share of its modulation, of 0.5 Hz to 25 Hz, that lies in the rhythm of syllables."""
    level = np.sqrt(power)
    spectrum = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), 512)) ** 2
    hertz = np.arange(len(spectrum)) * (RATE / HOP) / 512
    inside = spectrum[(hertz >= SYLLABLES_HZ[0]) & (hertz <= SYLLABLES_HZ[1])].sum()
    return float(inside / max(spectrum[(hertz >= 0.5) & (hertz <= 25)].sum(), 1e-30))
