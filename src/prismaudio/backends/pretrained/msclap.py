"""Does it sound like these words? MS-CLAP 2023, which PrismAudio's semantic reward and its tables ask.

The network was trained on seven seconds of 44.1 kHz that its front end takes for 32 kHz. How more than seven seconds
are heard is a choice (spec rewards.md 1.1); only "covering" hears all of a sound.
Shapes: B sounds, N samples, W windows, D width of the shared space.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained import htsat
from prismaudio.backends.pretrained.digest import sha256, tokenizer_sha256
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.msclap_network import MSCLAP, load
from prismaudio.backends.pretrained.msclap_text import HUB_ID as TOKENIZER_ID
from prismaudio.backends.pretrained.msclap_text import chunks, load_tokenizer, tokenise
from prismaudio.backends.pretrained.windows import cut, repeated
from prismaudio.models.resampling import resample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HUB_ID = "microsoft/msclap"
FILE = "CLAP_weights_2023.pth"
RATE = 44_100  # Hz
CLAIMED_RATE = 32_000  # Hz, what the front end takes it for
HOP = 320  # samples
WINDOW = 7 * RATE  # samples
LONG_CROP, LONG_HOP = 689, 344  # frames of the long branch

Hearing = Literal["covering", "prismaudio", "msclap"]
LongText = Literal["cut", "chunks"]


class MSCLAPJudge:
    """An `AudioTextJudge`; a score is the cosine, -1 to 1.

    hearing: "covering", windows of 7 s from the first sample to the last, the mean of their unit vectors;
    "prismaudio", the long branch, which never hears the last 1.5 s of 9 s;
    "msclap", 7 s from anywhere, left channel before right channel, from a seed (as av-benchmark, which has none).
    long_text: "cut" after 77 tokens as published, or "chunks", the mean of pieces that fit.
    """

    def __init__(
        self,
        network: MSCLAP,
        tokenizer: "PreTrainedTokenizerBase",
        digest: str = "",
        hearing: Hearing = "covering",
        long_text: LongText = "cut",
        seed: int = 0,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.hearing = hearing
        self.long_text = long_text
        self.seed = seed
        self.name = "ms-clap-2023" if hearing == "covering" else f"ms-clap-2023:{hearing}"
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": f"mono, 44.1 kHz, {hearing}" + (f", seed {seed}" if hearing == "msclap" else ""),
            "text": long_text,
            "tokenizer": tokenizer_sha256(tokenizer),
        }

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        tokenizer: str | Path = TOKENIZER_ID,
        device: torch.device | str = "cpu",
        hearing: Hearing = "covering",
        long_text: LongText = "cut",
    ) -> Self:
        """source: Microsoft's file, a folder of it or a hub repository; tokenizer: a folder or a hub repository."""
        path = Path(source) if Path(source).is_file() else resolve(source, (FILE,)) / FILE
        network = load(path).to(device)
        return cls(network, load_tokenizer(tokenizer), sha256(path), hearing, long_text)

    def score(self, sounds: Sounds, texts: Sequence[str]) -> Tensor:
        """One text a sound -> (B,) cosine"""
        return (self.hear(sounds) * self.read(texts)).sum(dim=-1)

    @property
    def sharpness(self) -> float:
        return float(self.network.logit_scale.exp())

    @torch.no_grad()
    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, D) of length 1; as many passes as a sound has windows, all sounds at once"""
        assert not self.network.training
        samples = sounds.samples.float().to(self.network.logit_scale.device)
        match self.hearing:
            case "covering":
                windows = cut(repeated(self._prepared(samples.mean(dim=1), sounds), WINDOW), WINDOW)
                heard = torch.stack([self._embed(window) for window in windows.unbind(dim=1)])
                return F.normalize(F.normalize(heard, dim=-1).mean(dim=0), dim=-1)
            case "prismaudio":
                return F.normalize(self._embed(self._prepared(samples.mean(dim=1), sounds)), dim=-1)
            case "msclap":
                audio = repeated(self._prepared(samples, sounds).flatten(1), WINDOW)
                start = random.Random(self.seed).randrange(max(1, audio.shape[-1] - WINDOW))
                return F.normalize(self._embed(audio[:, start : start + WINDOW]), dim=-1)

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> Tensor:
        """-> (len(texts), D) of length 1"""
        if self.long_text == "cut":
            return self._read(texts)
        pieces = [self._read(chunks(self.tokenizer, text)).mean(dim=0) for text in texts]
        return F.normalize(torch.stack(pieces), dim=-1)

    def truncated(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """Which of these texts are longer than what is read of them."""
        if self.long_text == "chunks":
            return (False,) * len(texts)
        return tokenise(self.tokenizer, texts).truncated

    def _prepared(self, audio: Tensor, sounds: Sounds) -> Tensor:
        return resample(audio, sounds.sample_rate, RATE)

    def _embed(self, audio: Tensor) -> Tensor:
        """(B, N) -> (B, D)"""
        mel = htsat.mel(audio, CLAIMED_RATE, HOP)
        frames = mel.shape[2]
        if frames <= htsat.IMAGE:
            latent = self.network.latent(mel)
        else:
            starts = range(0, frames - LONG_CROP - 1, LONG_HOP)
            crops = [self.network.latent(mel[:, :, start : start + LONG_CROP]) for start in starts]
            latent = torch.stack(crops).mean(dim=0)
        return self.network.audio_projection(latent)

    def _read(self, texts: Sequence[str]) -> Tensor:
        tokens = tokenise(self.tokenizer, texts)
        device = self.network.logit_scale.device
        return F.normalize(self.network.read(tokens.ids.to(device), tokens.last.to(device)), dim=-1)
