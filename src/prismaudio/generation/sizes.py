"""What each stage of the published model needs in memory: how it is measured, and what was.

Activations grow with the work taken at a time, so each is a straight line: a base, and bytes for each item more.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from prismaudio.generation.footprint import footprint
from prismaudio.generation.velocity import GuidedVelocity, VelocityEngine
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.lengths import SEGMENT_FRAMES, SEGMENT_HOP
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.oobleck import OobleckVAE

FRAMES, VIDEO_TOKENS, SYNC_TOKENS = 194, 36, 216  # of 9 s
TEXT_TOKENS = 256  # a long plan; spent on the negative plan too
LONGEST_TEXT = 1024  # tokens the text encoder is given room for


class Size(NamedTuple):
    """Bytes of one stage: what its weights take, and its activations for so many items at a time."""

    weights: int
    base: int
    per_item: int

    def activations(self, items: int) -> int:
        return self.base + self.per_item * items


class Sizes(NamedTuple):
    """Of all stages, in the order they run."""

    vision: Size  # items: attention logits of VideoPrism taken at once, for 9 s of video
    sync: Size  # items: segments of Synchformer
    text: Size  # read at once
    transformer: (
        Size  # items: windows of 9 s in a batch, both sides of guidance with conditions, in CUDA graphs
    )
    decoder: Size  # items: latent frames; the whole codec is loaded


# measured by `python -m benchmarks.memory`; in half precision the codec is float16, which takes what bfloat16 takes
HALF = Sizes(
    vision=Size(791_902_720, 224_286_720, 10),
    sync=Size(243_700_224, 2_408_448, 28_918_272),
    text=Size(1_141_049_472, 184_836_608, 0),
    transformer=Size(1_034_799_360, 580_778, 230_592_342),
    decoder=Size(312_155_392, 2_432, 3_408_000),
)
SINGLE = Sizes(
    vision=Size(1_583_805_440, 413_256_704, 8),
    sync=Size(487_400_448, 4_816_896, 57_836_544),
    text=Size(2_282_098_944, 168_321_536, 0),
    transformer=Size(2_069_598_720, 584_192, 457_841_152),
    decoder=Size(624_310_784, 2_325, 3_670_271),
)
PUBLISHED = {torch.bfloat16: HALF, torch.float16: HALF, torch.float32: SINGLE}


def line(network: nn.Module, dtype: torch.dtype, run: Callable[[int], object], few: int, many: int) -> Size:
    """The straight line through the footprints of a little and of much work."""
    weights, low = footprint(network, dtype, lambda: run(few))
    _, high = footprint(network, dtype, lambda: run(many))
    per_item = -(-(high - low) // (many - few))
    return Size(weights, max(0, low - per_item * few), per_item)


def size_of_vision(network: nn.Module, dtype: torch.dtype) -> Size:
    """network: the video tower of VideoPrism, on the meta device."""
    from prismaudio.backends.pretrained.videoprism import VideoPrismEncoder

    def run(logits: int) -> object:
        encoder = VideoPrismEncoder(network, logits_at_once=logits)  # type: ignore[arg-type]
        pixels = torch.empty(VIDEO_TOKENS, 288, 288, 3)
        return encoder.pooled(encoder.in_context(encoder.in_time(encoder.in_space(pixels))))

    return line(network, dtype, run, 2**24, 2**26)


def size_of_sync(network: Motionformer, dtype: torch.dtype) -> Size:
    def run(segments: int) -> object:
        frames = SEGMENT_FRAMES + SEGMENT_HOP * (segments - 1)
        return network(torch.empty(frames, 3, 224, 224, dtype=dtype))

    return line(network, dtype, run, 1, 16)


def size_of_text(network: nn.Module, dtype: torch.dtype) -> Size:
    """network: the encoder half of T5-Gemma, on the meta device."""

    def run() -> object:
        tokens = torch.zeros(1, LONGEST_TEXT, dtype=torch.long)
        return network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state

    return Size(*footprint(network, dtype, run), 0)


def size_of_transformer(model: ConditionedDiT, dtype: torch.dtype) -> Size:
    def run(windows: int) -> object:
        counts = {"video": VIDEO_TOKENS, "text": TEXT_TOKENS, "sync": SYNC_TOKENS}
        widths = {
            name: model.conditioner.get_submodule(name).get_parameter("0.weight").shape[1] for name in counts
        }
        told = Features(
            **{name: torch.empty(windows, counts[name], widths[name], dtype=dtype) for name in counts}
        )
        engine = VelocityEngine(model.dit, "graph", recorder=lambda run: run)
        sides = model.prepare(told, FRAMES), model.prepare(told, FRAMES)
        velocity = GuidedVelocity(engine, *sides, scale=5.0, interval=(0.0, 1.0))
        x = torch.empty(windows, model.dit.project_in.in_features, FRAMES)
        return velocity(x, torch.tensor(0.5))

    return line(model, dtype, run, 1, 4)


def size_of_decoder(codec: OobleckVAE, dtype: torch.dtype) -> Size:
    def run(frames: int) -> object:
        return codec.decode(torch.empty(1, codec.latent_channels, frames, dtype=dtype))

    return line(codec, dtype, run, 21, FRAMES)
