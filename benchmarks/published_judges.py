"""The published judges without their files: networks of the published shapes, or small ones, with random weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import ASTConfig, ClapAudioConfig, GPT2Config, WavLMConfig

from benchmarks.published_system import fill_randomly, smaller_sync
from prismaudio.backends.embedded.interaural import InterauralJudge
from prismaudio.backends.pretrained.audiobox import AudioboxJudge
from prismaudio.backends.pretrained.audiobox_network import AXES, Aesthetics, Scale, published_wavlm
from prismaudio.backends.pretrained.msclap import Hearing, MSCLAPJudge
from prismaudio.backends.pretrained.msclap_network import MSCLAP
from prismaudio.backends.pretrained.msclap_text import LONGEST
from prismaudio.backends.pretrained.synchformer import build_synchformer
from prismaudio.backends.pretrained.synchformer_audio import BANDS, FRAMES, PATCH, SoundSegments
from prismaudio.backends.pretrained.synchformer_judge import SynchformerJudge
from prismaudio.backends.pretrained.synchformer_network import Synchformer
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.stereocrw import Geometry, StereoCRW
from prismaudio.models.sync_head import SyncHead

TOKENS = 198  # of a film, of its sound and between, that Synchformer's judge reads
SCALE = Scale(mean=5.0, std=1.0)  # any: points cost the same


@dataclass(frozen=True)
class JudgeSizes:
    """How large the networks are; what is not named is as transformers has it, which is the published size."""

    eyes: Callable[[], Motionformer] = build_synchformer
    hearing: Mapping[str, Any] = field(default_factory=dict)  # of a ClapAudioConfig
    reading: Mapping[str, Any] = field(default_factory=dict)  # of a GPT2Config
    shared: int = 1024  # width of the space of sounds and words
    ears: Mapping[str, Any] = field(default_factory=dict)  # of an ASTConfig
    vote: tuple[int, int] = (3, 8)  # depth and heads
    quality: Mapping[str, Any] = field(default_factory=dict)  # of a WavLMConfig
    points: int = 5  # layers of the small network of each axis
    crw: Geometry = Geometry(seconds=6.0)  # of the released reward: six seconds, not the metric's


LAYER = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 128}
SMALL = JudgeSizes(
    eyes=smaller_sync(depth=1),
    hearing={
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "num_hidden_layers": 2,
    },
    reading={
        "n_embd": 64,
        "n_head": 1,
        "n_layer": 1,
        "vocab_size": 100,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
    shared=64,
    ears=LAYER,
    vote=(1, 1),
    quality={
        **LAYER,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    points=2,
    crw=Geometry(seconds=6.0, patches=4, longest=6.25e-5),
)
SIZES = {"published": JudgeSizes(), "small": SMALL, "tiny": SMALL}  # by the generator's


class Judges(NamedTuple):
    """Of all four dimensions, and the network of the half of the spatial reward that only the released trainer asks."""

    words: MSCLAPJudge
    released_words: MSCLAPJudge  # the same network, which hears a sound as it does there
    time: SynchformerJudge
    quality: AudioboxJudge
    place: InterauralJudge
    crw: StereoCRW


def make_judges(sizes: JudgeSizes, device: torch.device) -> Judges:
    """With random weights, on the device."""

    def ready(network: nn.Module) -> Any:
        return fill_randomly(network, torch.float32, torch.Generator(device).manual_seed(0)).eval()

    clap = ready(msclap(sizes))

    def words(hearing: Hearing) -> MSCLAPJudge:
        return MSCLAPJudge(clap, AllAlike(LONGEST), hearing=hearing)  # type: ignore[arg-type]  # all that is asked of one

    return Judges(
        words("covering"),
        words("prismaudio"),
        SynchformerJudge(ready(synchformer(sizes))),
        AudioboxJudge(ready(audiobox(sizes)), dict.fromkeys(AXES, SCALE)),
        InterauralJudge("delay"),
        ready(StereoCRW()).requires_grad_(False),
    )


class AllAlike:
    """A tokenizer to which every text is as long, and which has no rules."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.backend_tokenizer = self

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [1] * self.tokens}

    def to_str(self) -> str:
        return "{}"


def msclap(sizes: JudgeSizes) -> MSCLAP:
    return MSCLAP(ClapAudioConfig(**sizes.hearing), GPT2Config(**sizes.reading), sizes.shared)


def synchformer(sizes: JudgeSizes) -> Synchformer:
    eyes = sizes.eyes()
    config = ASTConfig(max_length=FRAMES, num_mel_bins=BANDS, patch_size=PATCH, **sizes.ears)
    depth, heads = sizes.vote
    return Synchformer(eyes, SoundSegments(config), SyncHead(eyes.position.shape[-1], depth, heads, TOKENS))


def audiobox(sizes: JudgeSizes) -> Aesthetics:
    wavlm = published_wavlm(WavLMConfig(**sizes.quality))
    width = wavlm.config.hidden_size
    return Aesthetics(wavlm, {axis: axis_head(width, sizes.points) for axis in AXES}, normalised=True)


def axis_head(width: int, depth: int) -> nn.Sequential:
    """From what is heard to a number."""
    hidden = [(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU()) for _ in range(depth - 1)]
    return nn.Sequential(*(layer for layers in hidden for layer in layers), nn.Linear(width, 1))
