"""Synchformer's visual half at a small size: the specification taken literally, segments, and its file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from prismaudio.backends.base import SyncEncoder
from prismaudio.backends.pretrained.synchformer import SynchformerEncoder, load_synchformer, published_name
from prismaudio.media.preprocess import SYNCHFORMER, synchformer_input
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.models.motionformer import Motionformer
from prismaudio.types import Frames

WIDTH, HEADS, DEPTH, PATCH, GRID = 12, 3, 2, 4, 3
SIDE = PATCH * GRID
SECOND_NORM = "vfeat_extractor.blocks.1.norm2.weight"


def build() -> Motionformer:
    return Motionformer(WIDTH, DEPTH, HEADS, patch=PATCH, grid=GRID)


@pytest.fixture
def network() -> Motionformer:
    """In double precision, with weights large enough that attention decides something."""
    network, generator = build().double(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.double) / 2)
    return network


@pytest.fixture
def published(network: Motionformer) -> dict[str, Tensor]:
    """A whole file in the published layout: also what is not read of it."""
    state = {published_name(name): tensor.float() for name, tensor in network.state_dict().items()}
    return state | {
        "vfeat_extractor.patch_embed.proj.weight": torch.zeros(WIDTH, 3, PATCH, PATCH),
        "afeat_extractor.ast.layernorm.weight": torch.zeros(5),
        "transformer.ln_f.weight": torch.zeros(5),
    }


def film(frames: int, seed: int = 0) -> Frames:
    images = np.random.default_rng(seed).integers(0, 256, (frames, SIDE, SIDE, 3), dtype=np.uint8)
    return Frames(images, fps=25)


class Literal:
    """Section 6 of the specification word for word, on published names, one segment at a time."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = {name.removeprefix("vfeat_extractor."): tensor for name, tensor in state.items()}

    def __call__(self, segment: Tensor) -> Tensor:
        """(16, 3, h, w) -> (8, D)"""
        kernel, bias = self.both("patch_embed_3d.proj")
        video = rearrange(segment, "t c h w -> 1 c t h w")
        patches = rearrange(F.conv3d(video, kernel, bias, stride=(2, PATCH, PATCH)), "1 d t y x -> (t y x) d")
        where, when = self.state["pos_embed"][0], self.state["temp_embed"][0]
        patches += repeat(where[1:], "s d -> (t s) d", t=8) + repeat(when, "t d -> (t s) d", s=GRID**2)
        x = torch.cat([self.state["cls_token"][0] + where[:1], patches])

        patch = torch.arange(len(x)) - 1
        time, place = patch // GRID**2, patch % GRID**2
        for name in (f"blocks.{index}" for index in range(DEPTH)):
            x = x + self.attention(f"{name}.timeattn", self.norm(f"{name}.norm3", x), place)
            x = x + self.attention(f"{name}.attn", self.norm(f"{name}.norm1", x), time)
            wide = F.gelu(F.linear(self.norm(f"{name}.norm2", x), *self.both(f"{name}.mlp.fc1")))
            x = x + F.linear(wide, *self.both(f"{name}.mlp.fc2"))
        return self.pool(rearrange(self.norm("norm", x[1:]), "(t s) d -> t s d", t=8))

    def both(self, name: str) -> tuple[Tensor, Tensor]:
        return self.state[f"{name}.weight"], self.state[f"{name}.bias"]

    def norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (WIDTH,), *self.both(name), eps=1e-6)

    def attention(self, name: str, x: Tensor, group: Tensor) -> Tensor:
        """x: (N, D), group: (N,) whose members see each other; all see token 0, which sees all -> (N, D)"""
        q, k, v = rearrange(
            F.linear(x, *self.both(f"{name}.qkv")), "n (three h p) -> three h n p", three=3, h=HEADS
        )
        logits = torch.einsum("hip,hjp->hij", q * q.shape[-1] ** -0.5, k)
        first = torch.arange(len(x)) == 0
        visible = (group[:, None] == group) | first[:, None] | first
        seen = logits.masked_fill(~visible, -torch.inf).softmax(dim=-1)
        heads = rearrange(torch.einsum("hij,hjp->hip", seen, v), "h n p -> n (h p)")
        return F.linear(heads, *self.both(f"{name}.proj"))

    def pool(self, instants: Tensor) -> Tensor:
        """(8, S, D) -> (8, D), by torch's own layer"""
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, activation=F.gelu, layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        prefix = "spatial_attn_agg."
        own = {name.removeprefix(prefix): t for name, t in self.state.items() if name.startswith(prefix)}
        first = own.pop("cls_token").expand(8, -1, -1)
        layer.double().eval().load_state_dict(own)
        return layer(torch.cat([first, instants], dim=1))[:, 0]


@torch.no_grad()
def test_it_is_the_specification_taken_literally(network: Motionformer):
    state = {published_name(name): tensor for name, tensor in network.state_dict().items()}
    frames = synchformer_input(film(39)).double()  # the last seven are no segment
    one_at_a_time = torch.stack([Literal(state)(frames[first : first + 16]) for first in (0, 8, 16)])
    assert torch.allclose(network(frames), one_at_a_time, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("segments_per_batch", [1, 2, 3, 16])
def test_a_segment_knows_nothing_of_its_batch_nor_of_what_follows(
    network: Motionformer, segments_per_batch: int
):
    short, long = film(32), film(47)
    assert np.array_equal(short.images, long.images[:32])
    alone = SynchformerEncoder(network).encode(short)
    together = SynchformerEncoder(network, segments_per_batch).encode(long)
    assert alone.shape == (3 * 8, WIDTH)
    assert together.shape == (4 * 8, WIDTH), "the last seven frames are no segment"
    assert torch.allclose(alone, together[:24], rtol=1e-6, atol=1e-6)


def test_without_a_batch_what_follows_changes_no_bit(network: Motionformer):
    encoder = SynchformerEncoder(network.float())
    assert torch.equal(encoder.encode(film(32)), encoder.encode(film(200))[:24])


@pytest.mark.parametrize("frames", [1, 5, 15])
def test_a_clip_shorter_than_a_segment_holds_its_last_frame(network: Motionformer, frames: int):
    short = film(frames)
    held = Frames(np.concatenate([short.images, *[short.images[-1:]] * (16 - frames)]), fps=25)
    encoder = SynchformerEncoder(network)
    assert torch.equal(encoder.encode(short), encoder.encode(held))


def test_it_keeps_the_promise_of_a_sync_encoder(network: Motionformer):
    encoder: SyncEncoder = SynchformerEncoder(network)
    assert (encoder.name, encoder.view, encoder.dim) == ("synchformer", SYNCHFORMER, WIDTH)
    tokens = encoder.encode(film(16))
    assert (tokens.shape, tokens.dtype) == ((8, WIDTH), torch.float32)


def test_every_weight_can_learn(network: Motionformer):
    network(synchformer_input(film(24)).double()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.norm() > 1e-6, name


def test_half_a_segment_is_whole_pairs_of_frames():
    with pytest.raises(ValueError, match="multiple of 4"):
        Motionformer(WIDTH, DEPTH, HEADS, frames=14)


def load(path: Path, dtype: torch.dtype = torch.float32) -> Motionformer:
    with torch.device("meta"):
        network = build().to(dtype)
    load_synchformer(path, network)
    return network


@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
def test_the_visual_half_of_a_file_fills_a_network_built_of_nothing(
    tmp_path: Path, network: Motionformer, published: dict[str, Tensor], stored: torch.dtype
):
    path = tmp_path / "synchformer_state_dict.pth"
    torch.save({name: tensor.to(stored) for name, tensor in published.items()}, path)
    loaded = load(path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    whole = SynchformerEncoder(network.float()).encode(film(16))
    assert torch.allclose(SynchformerEncoder(loaded).encode(film(16)), whole, atol=2e-2)


def test_a_network_may_compute_in_half_precision(tmp_path: Path, published: dict[str, Tensor]):
    torch.save(published, tmp_path / "synchformer_state_dict.pth")
    loaded = load(tmp_path / "synchformer_state_dict.pth", torch.bfloat16)
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    assert SynchformerEncoder(loaded).encode(film(16)).dtype == torch.float32


def test_a_file_without_the_idle_embedding_is_whole(tmp_path: Path, published: dict[str, Tensor]):
    del published["vfeat_extractor.patch_embed.proj.weight"]
    torch.save(published, tmp_path / "synchformer_state_dict.pth")
    load(tmp_path / "synchformer_state_dict.pth")


@pytest.mark.parametrize(
    ("name", "tensor", "complaint"),
    [
        (SECOND_NORM, None, f"1 tensors are missing ({SECOND_NORM})"),
        (SECOND_NORM, torch.zeros(5), f"{SECOND_NORM} is (5,) instead of ({WIDTH},)"),
        (
            "vfeat_extractor.blocks.2.norm2.bias",
            torch.zeros(1),
            "1 tensors are unknown (vfeat_extractor.blocks.2",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, published: dict[str, Tensor], name: str, tensor: Tensor | None, complaint: str
):
    path = tmp_path / "synchformer_state_dict.pth"
    changed = {key: value for key, value in published.items() if key != name}
    torch.save(changed if tensor is None else changed | {name: tensor}, path)
    with pytest.raises(CheckpointError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path} does not fit")
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)
