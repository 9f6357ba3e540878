"""What judges say of one clip, as extractors: asked once for each content, each clip alone, and kept.

A judge's name, weights and preparation are the identity under which its opinion is kept.
Shapes: D embedding, W windows, P patches, G groups of windows.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from prismaudio.backends.base import AudioTextJudge, Judge, QualityJudge, SeenPlaceJudge, Sounds, SyncJudge
from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.backends.pretrained.pe_av import PeavJudge
from prismaudio.backends.pretrained.stereocrw import StereoCRWJudge
from prismaudio.models.interaural import side_to_middle
from prismaudio.models.stereocrw import pooled
from prismaudio.types import Audio, Frames

VERSION = "1"  # of this file; another for every change that changes a number
GROUP = 5  # windows that FSAD takes the mean of


def identity_of(judge: Judge) -> Identity:
    """All that its opinion rests on."""
    parts = [f"{what} {how}" for what, how in judge.versions.items() if what != "weights"]
    return Identity(judge.name, "; ".join([VERSION, *parts]), judge.versions.get("weights", ""))


class Listener(Judge, Protocol):
    """A judge to whom sounds are directions."""

    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, D) of length 1"""
        ...


class SoundHeard:
    """A sound where words, or films, could be."""

    def __init__(self, judge: Listener) -> None:
        self.judge, self.identity = judge, identity_of(judge)

    def extract(self, audio: Audio) -> Tensors:
        """-> embedding (D,) of length 1"""
        return {"embedding": self.judge.hear(alone(audio))[0].cpu()}


class WordsRead:
    """A text where sounds could be."""

    def __init__(self, judge: AudioTextJudge) -> None:
        self.judge, self.identity = judge, identity_of(judge)

    def extract_text(self, text: str) -> Tensors:
        """-> embedding (D,) of length 1, truncated (): whether the end of the text was not read"""
        cut = torch.tensor(self.judge.truncated([text])[0])
        return {"embedding": self.judge.read([text])[0].cpu(), "truncated": cut}


class FilmSeen:
    """A film where sounds could be."""

    def __init__(self, judge: PeavJudge) -> None:
        self.judge, self.identity, self.view = judge, identity_of(judge), judge.view

    def extract_frames(self, frames: Frames) -> Tensors:
        """-> embedding (D,) of length 1"""
        return {"embedding": self.judge.watch(frames).cpu()}


class Timing:
    """How far a sound is from its film."""

    def __init__(self, judge: SyncJudge) -> None:
        self.judge, self.identity, self.view = judge, identity_of(judge), judge.view

    def extract_film(self, audio: Audio, frames: Frames) -> Tensors:
        """-> desync () seconds"""
        return {"desync": self.judge.score(alone(audio), frames).desync()[0].cpu()}


class Marks:
    """How good a sound is."""

    def __init__(self, judge: QualityJudge) -> None:
        self.judge, self.identity = judge, identity_of(judge)

    def extract(self, audio: Audio) -> Tensors:
        """-> one scalar by the name of each axis"""
        marks = self.judge.score(alone(audio))[0].cpu()
        return dict(zip(self.judge.axes, marks.unbind(), strict=True))


class Placing:
    """Whether a sound comes from where it is seen."""

    def __init__(self, judge: SeenPlaceJudge) -> None:
        self.judge, self.identity, self.view = judge, identity_of(judge), judge.view

    def extract_film(self, audio: Audio, frames: Frames) -> Tensors:
        """-> agreement (), nan if nothing seen sounds"""
        return {"agreement": self.judge.score(alone(audio), frames)[0].cpu()}


class LearnedDelays:
    """The delays between the ears that StereoCRW hears."""

    def __init__(self, judge: StereoCRWJudge) -> None:
        self.judge, self.identity = judge, identity_of(judge)

    def extract(self, audio: Audio) -> Tensors:
        """-> delay (W,) seconds, course (G, 256) seconds, width_db ()"""
        delays = self.judge.patch_delays(alone(audio))[0].cpu()
        width = side_to_middle(audio.samples[None])[0]
        return {"delay": delays.mean(dim=-1), "course": course(delays), "width_db": width}


def course(delays: Tensor) -> Tensor:
    """delays: (W, P) seconds -> (G, 256): pooled, and averaged in groups of five windows (spec rewards.md 1.4)"""
    whole = F.pad(pooled(delays), (0, 0, 0, -len(delays) % GROUP), value=torch.nan)
    return rearrange(whole, "(g w) p -> g w p", w=GROUP).nanmean(dim=1)


def alone(audio: Audio) -> Sounds:
    return Sounds.together([audio])
