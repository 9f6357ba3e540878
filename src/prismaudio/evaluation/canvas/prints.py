"""Fingerprints of pictures and sounds, by which copies are found that are not equal to the byte.

Pictures: the signs of low frequencies of a small grey picture (a "perceptual hash"), one a second. Sounds: how the
balance of neighbouring bands grows and falls from moment to moment (Haitsma & Kalker 2002). Both survive other levels,
sizes and codecs; neither survives mirrored pictures or other speeds.

Shapes: T moments, B bits.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.media.audio import resample
from prismaudio.media.preprocess import View
from prismaudio.models.spectral import stft
from prismaudio.types import Audio, Frames

Bits = NDArray[np.bool_]  # (T, B)
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601 luma
KEPT = 8  # frequencies each way
FLAT = 4.0  # grey levels of deviation below which a picture has no face
RATE, SIZE, HOP = 11_025, 4096, 512  # 0.37 s, every 46 ms
EDGES_HZ = (200.0, 3000.0, 33)  # of the bands, evenly in pitch
AUDIBLE = 1e-5  # of the loudest moment: -50 dB
NEAR_BITS = 10  # of 63 in which two pictures that are one may differ
SAME_PICTURES = 0.7  # of the usable pictures of the shorter clip
SAME_SOUND = 0.3  # share of wrong bits below which two sounds are one; unrelated ones have 0.5
LEAST_PICTURES, LEAST_MOMENTS = 2, 32  # 1.5 s of sound


class Print(NamedTuple):
    """Of one clip; moments that are not usable tell nothing."""

    bits: Bits
    usable: NDArray[np.bool_]  # (T,)


class PicturePrint:
    """A `PictureExtractor`: one picture a second."""

    identity = Identity("picture-print", "1", "")
    view = View(fps=1, width=32, height=32, fit="stretch")

    def extract_frames(self, frames: Frames) -> Tensors:
        """-> bits (T, 63), usable (T,)"""
        grey = frames.images.astype(np.float32) @ GREY
        low = dctn(grey, axes=(1, 2), norm="ortho")[:, :KEPT, :KEPT].reshape(len(grey), -1)[:, 1:]
        bits = low > np.median(low, axis=1, keepdims=True)
        usable = grey.std(axis=(1, 2)) > FLAT
        return {"bits": torch.from_numpy(bits), "usable": torch.from_numpy(usable)}


class SoundPrint:
    """A `SoundExtractor`: 32 bits every 46 ms."""

    identity = Identity("sound-print", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> bits (T, 32), usable (T,)"""
        samples = resample(audio, RATE).samples.mean(dim=0, keepdim=True)
        samples = torch.nn.functional.pad(samples, (0, max(0, SIZE - samples.shape[-1])))
        power = (stft(samples, SIZE, HOP).abs() ** 2)[0].double().numpy()  # (F, T)
        edges = np.geomspace(EDGES_HZ[0], EDGES_HZ[1], EDGES_HZ[2] + 1)
        bins = np.digitize(np.arange(len(power)) * RATE / SIZE, edges) - 1
        bands = np.stack([power[bins == band].sum(axis=0) for band in range(EDGES_HZ[2])])  # (33, T)
        tilt = np.diff(np.log(bands + 1e-12), axis=0)
        loud = bands.sum(axis=0)
        usable = (loud > AUDIBLE * max(loud.max(), 1e-12)) & (loud > 1e-9)
        bits = np.diff(tilt, axis=1, prepend=tilt[:, :1]).T > 0
        usable[0] = False  # nothing comes before it
        return {"bits": torch.from_numpy(bits.copy()), "usable": torch.from_numpy(usable)}


def print_of(kept: Tensors) -> Print:
    return Print(kept["bits"].numpy().astype(bool), kept["usable"].numpy().astype(bool))


class Twins(NamedTuple):
    """Two clips, by their numbers, and how alike they are: 1 the same."""

    first: int
    second: int
    likeness: float


def picture_twins(prints: Sequence[Print]) -> Iterator[Twins]:
    """Pairs of which most pictures of the shorter clip are found in the other, wherever."""
    faces = [np.where(p.bits[p.usable], 1, -1).astype(np.float32) for p in prints]
    able = [number for number, face in enumerate(faces) if len(face) >= LEAST_PICTURES]
    for place, number in enumerate(able):
        others = able[place + 1 :]
        if not others:
            return
        together = np.concatenate([faces[other] for other in others])
        starts = np.cumsum([0, *(len(faces[other]) for other in others[:-1])])
        near = faces[number] @ together.T >= faces[number].shape[1] - 2 * NEAR_BITS  # (T, all T)
        found = np.logical_or.reduceat(near, starts, axis=1).mean(axis=0)  # of this clip's pictures
        finding = np.add.reduceat(near.any(axis=0), starts) / [len(faces[other]) for other in others]
        for other, ours, theirs in zip(others, found, finding, strict=True):
            likeness = float(ours if len(faces[number]) <= len(faces[other]) else theirs)
            if likeness >= SAME_PICTURES:
                yield Twins(number, other, likeness)


def sound_twins(prints: Sequence[Print]) -> Iterator[Twins]:
    """Pairs that hold the same recording at some shift: one word of 32 bits in common, and few wrong bits around."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    words = [np.packbits(p.bits, axis=1).view(np.uint32)[:, 0] for p in prints]
    for number, (word, one) in enumerate(zip(words, prints, strict=True)):
        shifts: dict[int, set[int]] = defaultdict(set)
        for moment in np.flatnonzero(one.usable):
            for other, there in places[int(word[moment])]:
                shifts[other].add(int(there - moment))
        for other in sorted(shifts):
            wrong = min(wrong_bits(prints[other], one, shift) for shift in sorted(shifts[other]))
            if wrong <= SAME_SOUND:
                yield Twins(other, number, 1 - 2 * wrong)
        for moment in np.flatnonzero(one.usable):
            places[int(word[moment])].append((number, int(moment)))


def wrong_bits(first: Print, second: Print, shift: int) -> float:
    """Share of bits that differ where both are usable; the second begins `shift` moments into the first. 1 if too few."""
    begin, end = max(shift, 0), min(len(first.bits), len(second.bits) + shift)
    if end <= begin:
        return 1.0
    ours, theirs = slice(begin, end), slice(begin - shift, end - shift)
    both = first.usable[ours] & second.usable[theirs]
    if both.sum() < LEAST_MOMENTS:
        return 1.0
    return float((first.bits[ours] != second.bits[theirs])[both].mean())
