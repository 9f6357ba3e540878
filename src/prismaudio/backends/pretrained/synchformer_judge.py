"""Is the sound in time? Synchformer as a judge: DeSync, and the temporal reward, of many sounds for one film.

What it sees of a film is the costly part, depends on the film alone, and is kept by its content.
Optimising a generator by the judge that measures it is circular: report onsets beside it (`evaluation.metrics.onsets`).
Shapes: B sounds, S segments of 0.64 s, W windows, D width.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
from einops import rearrange
from torch import Tensor

from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.backends.content_cache import ContentCache, content_key
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.synchformer import SynchformerEncoder
from prismaudio.backends.pretrained.synchformer_audio import RATE, segments_mel, sound_segments
from prismaudio.backends.pretrained.synchformer_network import Synchformer, load
from prismaudio.backends.pretrained.windows import covering
from prismaudio.backends.synchrony import Synchrony
from prismaudio.media.preprocess import SYNCHFORMER
from prismaudio.models.lengths import SEGMENT_FRAMES, SEGMENT_HOP
from prismaudio.models.resampling import resample
from prismaudio.types import Frames

HUB_ID = "FunAudioLLM/PrismAudio"  # whose Synchformer is the whole one
FILE = "synchformer_state_dict.pth"
WINDOW = 14  # segments: 4.8 s
HOP_S = SEGMENT_HOP / SYNCHFORMER.fps
PREPARATION = "25 fps, bicubic 224 cover v1"  # of pictures; change it when they are prepared otherwise


class SynchformerJudge:
    """A `SyncJudge`: windows of 4.8 s that cover the film; for up to 9.28 s the first and the last are enough."""

    name = "synchformer-24-01-04T16-39-21"
    view = SYNCHFORMER

    def __init__(
        self,
        network: Synchformer,
        digest: str = "",
        cache: ContentCache | None = None,
        segments_per_batch: int = 28,
    ) -> None:
        """segments_per_batch: of sounds; about 40 MB each."""
        self.network = network.eval().requires_grad_(False)
        self.cache = cache or ContentCache()
        self.segments_per_batch = segments_per_batch
        on_processor = network.judge.position.device.type == "cpu"
        self._eyes = SynchformerEncoder(network.eyes, segments_per_batch=1 if on_processor else 16)
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": f"{PREPARATION}; mono 16 kHz, sinc of 6 zeros",
        }

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        device: torch.device | str = "cpu",
        cache: Path | None = None,
    ) -> Self:
        """source: the file, a folder of it or a hub repository; cache: a folder that keeps what was seen of films."""
        path = Path(source) if Path(source).is_file() else resolve(source, (FILE,)) / FILE
        return cls(load(path).to(device), sha256(path), ContentCache(cache))

    @torch.no_grad()
    def score(self, sounds: Sounds, frames: Frames) -> Synchrony:
        """Many sounds for one film seen through `view`; `Unjudgeable` if either is shorter than 4.8 s."""
        assert not self.network.training
        seen = self.watch(frames)  # (S, 8, D)
        heard = self.hear(sounds)  # (B, S, 6, D)
        segments = min(len(seen), heard.shape[1])
        if segments < WINDOW:
            raise Unjudgeable(
                f"Synchformer needs 4.8 s of picture and sound, got {frames.duration:.2f} and {sounds.duration:.2f} s; "
                "give a longer clip"
            )
        starts = covering(segments, WINDOW)
        logits = [
            self.network.judge(
                seen[start : start + WINDOW].flatten(0, 1).expand(len(heard), -1, -1),
                heard[:, start : start + WINDOW].flatten(1, 2),
            )
            for start in starts
        ]
        return Synchrony(torch.stack(logits, dim=1).float(), tuple(start * HOP_S for start in starts))

    def watch(self, frames: Frames) -> Tensor:
        """What is seen of a film through `view`: (S, 8, D); of one seen before, from the cache"""
        if len(frames.images) < SEGMENT_FRAMES:
            raise Unjudgeable(
                f"Synchformer needs 4.8 s of picture, got {frames.duration:.2f} s; give a longer clip"
            )
        key = content_key(frames, self.versions["weights"], PREPARATION)
        tokens = self.cache.get(key, lambda: self._eyes.encode(frames).cpu())
        return rearrange(
            tokens.to(self.network.judge.position), "(s t) d -> s t d", t=self.network.eyes.instants
        )

    @torch.no_grad()
    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, S, 6, D)"""
        audio = resample(sounds.mono.float().to(self.network.judge.position.device), sounds.sample_rate, RATE)
        if sound_segments(audio.shape[-1]) == 0:
            raise Unjudgeable(
                f"Synchformer needs 4.8 s of sound, got {sounds.duration:.2f} s; give a longer sound"
            )
        mel = segments_mel(audio).to(self.network.judge.position.dtype)
        parts = torch.split(mel.flatten(0, 1), self.segments_per_batch)
        tokens = torch.cat([self.network.ears(part) for part in parts])
        return rearrange(tokens, "(b s) t d -> b s t d", b=len(mel))
