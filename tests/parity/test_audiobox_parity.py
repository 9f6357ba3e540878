"""Audiobox Aesthetics at its published size, against numbers of the official code."""

import json
import math

import pytest
import torch
from reward_golden import GOLDEN, golden, near, state

pytest.importorskip("transformers")

from prismaudio.backends.pretrained.audiobox import RATE, AudioboxJudge
from prismaudio.dimensions.aesthetic import published_reward
from prismaudio.models.resampling import resample

RECORDED = golden("audiobox")
SHAPES = json.loads((GOLDEN / "audiobox_shapes.json").read_text())
SCALES = {
    "CE": {"mean": 5.0, "std": 1.0},
    "CU": {"mean": 5.25, "std": 1.1},
    "PC": {"mean": 5.5, "std": 1.2},
    "PQ": {"mean": 5.75, "std": 1.3},
}


def special(name: str, shape: tuple[int, ...]) -> torch.Tensor | float | None:
    """What the recorder drew otherwise."""
    if "conv_layers" in name and len(shape) == 3:
        return math.sqrt(2 / (shape[1] * shape[2]))
    if name.endswith("weight_g"):
        return torch.ones(shape)
    if name.startswith("proj_layer") and len(shape) == 2:
        return 1 / math.sqrt(shape[1])
    return 0.5 if name.startswith("layer_weights") else None


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> AudioboxJudge:
    path = tmp_path_factory.mktemp("audiobox") / "checkpoint.pt"
    weights = {f"model.{name}": tensor for name, tensor in state(SHAPES, special).items()}
    assert sum(tensor.numel() for tensor in weights.values()) == 103_859_112
    torch.save(
        {"state_dict": weights, "model_cfg": {"proj_act_fn": "gelu"}, "target_transform": SCALES}, path
    )
    return AudioboxJudge.from_pretrained(path)


def test_a_sound_is_resampled_as_published():
    stereo = RECORDED["pcm16_stereo_44k1"].float() / 32768
    near(resample(stereo, 44_100, RATE).mean(dim=0)[: 2 * RATE], RECORDED["wav16k_mono_in"], atol=2e-6)


@pytest.mark.slow
@torch.no_grad()
def test_every_layer_and_every_axis_are_the_published_ones(judge: AudioboxJudge):
    audio = torch.nn.functional.pad(RECORDED["wav16k_mono_in"], (0, RATE // 2))[None]
    real = torch.arange(audio.shape[1])[None] < 2 * RATE
    layers, frames = judge.network.layers(audio, real)
    assert torch.equal(frames[0], RECORDED["embed_padding_mask"] == 0)
    near(layers[-1, 0][frames[0]], RECORDED["last_layer"][frames[0]])
    raw = judge.network(audio, real)[0]
    near(raw, torch.cat([RECORDED[f"raw.{axis}"] for axis in judge.axes]))
    points = raw * torch.tensor([s["std"] for s in SCALES.values()]) + torch.tensor(
        [s["mean"] for s in SCALES.values()]
    )
    near(points, torch.cat([RECORDED[f"score.{axis}"] for axis in judge.axes]))
    near(published_reward(points[None], judge.axes), RECORDED["prismaudio_reward"])
    near(layers[:, 0].mean(dim=1).T, RECORDED["layers_mean_over_time"])
