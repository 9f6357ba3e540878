"""From what the codec played to what is handed over: rate, length and level.

Shapes: N samples.
"""

from collections.abc import Sequence
from typing import NamedTuple

from prismaudio.dimensions.plan import Plan
from prismaudio.generation.options import Options
from prismaudio.media.audio import fit_length, resample
from prismaudio.media.loudness import integrated_loudness, normalise
from prismaudio.types import Audio

INT16 = 32767.0


class Take(NamedTuple):
    """A sound as the codec played it, and what it is for."""

    audio: Audio
    plan: Plan
    seconds: float  # of picture


class Mastered(NamedTuple):
    audio: Audio
    loudness: float  # LUFS as measured


def levelled(takes: Sequence[Take], options: Options) -> list[Mastered]:
    """Every take for itself: as long as its picture, at the loudness and below the peak that were asked for."""
    return [_levelled(take, options) for take in takes]


def as_released(takes: Sequence[Take]) -> list[Mastered]:
    """The released code's last lines (spec model.md 7): the loudest sample of the batch at full scale, nothing cut.

    Values lie on the grid of 16 bits, towards zero; a batch of silence, which the released code divides by zero,
    stays silent.
    """
    peak = max(float(take.audio.samples.abs().max()) for take in takes) or 1.0
    played = [
        Audio(
            (take.audio.samples / peak).clamp(-1, 1).mul(INT16).trunc() / (INT16 + 1), take.audio.sample_rate
        )
        for take in takes
    ]
    return [Mastered(audio, integrated_loudness(audio)) for audio in played]


def _levelled(take: Take, options: Options) -> Mastered:
    """A plan of silence is not turned up."""
    audio = fit_length(resample(take.audio, options.sample_rate), take.seconds)
    level = integrated_loudness(audio)
    planned = take.plan.semantic.events or take.plan.semantic.ambience
    if options.loudness is None or (not planned and level < options.loudness):
        return Mastered(audio, level)
    normalised = normalise(audio, options.loudness, options.true_peak)
    return Mastered(normalised.audio, normalised.loudness)
