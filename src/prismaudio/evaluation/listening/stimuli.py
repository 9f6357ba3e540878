"""The sounds of a listening test: one loudness for all, hidden reference and anchors, names that tell nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.suite.clips import SOUND_ENDINGS, VIDEO_ENDINGS, files_by_name
from prismaudio.media.audio import read_audio, write_audio
from prismaudio.media.loudness import normalise
from prismaudio.media.mux import mux
from prismaudio.types import Audio

REFERENCE, ANCHOR = "reference", "anchor"
RATE = 44_100
LOW_PASS_HZ = 3_500.0  # of the anchor of quality (ITU-R BS.1534)
SHIFT = 1.0  # seconds by which the anchor of consistency is late
CHECK_SECONDS, CHECK_HZ = 1.2, 440.0
CHECK_SIDES = ("left", "right", "right", "left")


class NoClips(PrismAudioError):
    """Folders that have nothing in common to be judged."""


class Sources(NamedTuple):
    """Where the sounds of a test come from; files belong together by their exact stems."""

    systems: Mapping[str, Path]  # name -> folder
    references: Path | None
    videos: Path | None


class Stimulus(NamedTuple):
    """One file of the test, and what the meters say of it."""

    file: str
    loudness: float  # LUFS
    true_peak: float  # dBTP


def common_clips(sources: Sources, most: int | None, seed: int) -> list[str]:
    """Names that every folder has once; `most` of them, drawn with the seed."""
    sounds = [folder for folder in (*sources.systems.values(), sources.references) if folder]
    found = [files_by_name(folder, SOUND_ENDINGS) for folder in sounds]
    found += [files_by_name(folder, VIDEO_ENDINGS) for folder in [sources.videos] if folder]
    names = sorted(set.intersection(*({n for n, paths in f.items() if len(paths) == 1} for f in found)))
    if not names:
        raise NoClips("no name is in all the folders; files belong together by their exact names")
    if most is not None and most < len(names):
        chosen = np.random.default_rng(seed).choice(len(names), most, replace=False)
        names = [names[i] for i in sorted(chosen)]
    return names


def opaque(*parts: str) -> str:
    """A name that tells nothing of what it names."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def source_audio(condition: str, clip: str, sources: Sources, *, anchor_late: bool) -> Audio:
    """The sound of one condition before it is levelled."""
    folder = sources.references if condition in {REFERENCE, ANCHOR} else sources.systems[condition]
    assert folder is not None
    audio = read_audio(files_by_name(folder, SOUND_ENDINGS)[clip][0], RATE)
    if condition != ANCHOR:
        return audio
    return late(audio, SHIFT) if anchor_late else dull(audio)


def write_stimulus(audio: Audio, video: Path | None, folder: Path, name: str) -> Stimulus:
    """Levelled to -23 LUFS under -1 dBTP, as .flac, or inside its film."""
    levelled = normalise(audio)
    file = f"{name}.flac" if video is None else f"{name}.mp4"
    if video is None:
        write_audio(folder / file, levelled.audio)
    else:
        mux(video, levelled.audio, folder / file)
    return Stimulus(file, levelled.loudness, levelled.true_peak)


def dull(audio: Audio) -> Audio:
    """Nothing above 3.5 kHz, and mono: what raters must hear as worse."""
    sections = butter(8, LOW_PASS_HZ, fs=audio.sample_rate, output="sos")
    mono = sosfiltfilt(sections, audio.samples.mean(dim=0).double().numpy())
    samples = torch.from_numpy(mono.astype(np.float32))
    return Audio(samples.expand(2, -1).clone(), audio.sample_rate)


def late(audio: Audio, seconds: float) -> Audio:
    """The same length, everything so much later, silence before."""
    shift = round(seconds * audio.sample_rate)
    if shift >= audio.samples.shape[-1]:
        raise NoClips(
            f"a clip of {audio.duration:.2f} s cannot be {seconds:g} s late; leave out clips so short"
        )
    return Audio(torch.nn.functional.pad(audio.samples, (shift, -shift)), audio.sample_rate)


def write_checks(folder: Path, seed: int) -> list[tuple[str, str]]:
    """Short tones at one ear, to see that headphones are worn the right way round: (file, side)."""
    time = np.arange(round(CHECK_SECONDS * RATE)) / RATE
    tone = 0.1 * np.sin(2 * np.pi * CHECK_HZ * time) * np.hanning(len(time))
    order = np.random.default_rng(seed).permutation(len(CHECK_SIDES))
    found = []
    for number, side in enumerate(CHECK_SIDES[i] for i in order):
        samples = np.zeros((2, len(time)), np.float32)
        samples[0 if side == "left" else 1] = tone
        file = f"{opaque('check', str(seed), str(number))}.wav"
        write_audio(folder / file, Audio(torch.from_numpy(samples), RATE))
        found.append((file, side))
    return found


def file_of_video(sources: Sources, clip: str) -> Path | None:
    return files_by_name(sources.videos, VIDEO_ENDINGS)[clip][0] if sources.videos else None


def conditions_of(systems: Sequence[str], *, pairs: bool, reference: bool) -> list[str]:
    """What is heard of every clip: the systems, and for opinions the hidden reference and the anchor."""
    return [*systems] if pairs or not reference else [*systems, REFERENCE, ANCHOR]


def parse_systems(texts: Sequence[str]) -> dict[str, Path]:
    """NAME=DIR, several -> folder by name."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not name or name in found:
            raise NoClips(f"--system {text!r} names no new system; write --system NAME=DIR, each name once")
        found[name] = Path(folder)
    return found
