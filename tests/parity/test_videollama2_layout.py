"""VideoLLaMA2.1-7B-16F at its full size, on the meta device: every name and shape, and how many tokens a video becomes.

golden/videollama2/layout.json was written by hand from public sources, not read off the published files, which were out
of reach. Names of the connector's blocks and of the tower: as the published program itself prints them in
DAMO-NLP-SG/VideoLLaMA2 issues 83 (connector), 118 and 135 (tower, inside the checkpoint of 2.1-7B-AV). What those cut
off: VideoLLaMA2's projector.py (STCConnectorV35: four blocks a stage, a sampler of 2x2x2, a readout of two layers), timm
1.0.3's regnet.py (se_ratio 0.25 of the channels a block is given, group_size 1) and squeeze_excite.py. Sizes: config.json
of Qwen2-7B-Instruct and of google/siglip-so400m-patch14-384.
"""

import itertools
import json
import math
import re
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import torch

from prismaudio.backends.pretrained.videollama2_network import VideoLLaMA2Network
from prismaudio.backends.pretrained.videollama2_weights import build, expected_shapes, read_settings

LAYOUT = Path(__file__).parent / "golden" / "videollama2" / "layout.json"
CONFIG = {  # of a copy of 2.1-7B-AV (planner.md 2.2), without what only training needs
    "model_type": "videollama2_qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "mm_hidden_size": 1152,
    "mm_projector_type": "stc_connector_v35",
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
    "mm_vision_tower": "google/siglip-so400m-patch14-384",
    "num_frames": 16,
}


def spelled(pattern: str) -> list[str]:
    """a{1..2} -> a1, a2; every pair of braces is one."""
    parts = re.split(r"\{(\d+)\.\.(\d+)\}", pattern)
    ranges = [range(int(a), int(b) + 1) for a, b in zip(parts[1::3], parts[2::3], strict=True)]
    return [
        "".join(itertools.chain(*zip(parts[::3], map(str, ks), strict=False), parts[-1:]))
        for ks in itertools.product(*ranges)
    ]


@pytest.fixture(scope="module")
def layout() -> dict[str, tuple[int, ...]]:
    patterns = json.loads(LAYOUT.read_text())
    names = [(name, tuple(shape)) for pattern, shape in patterns.items() for name in spelled(pattern)]
    assert len(dict(names)) == len(names), "a name is listed twice"
    return dict(names)


@pytest.fixture(scope="module")
def network() -> VideoLLaMA2Network:
    return build(CONFIG, read_settings(CONFIG, Path()), Path())


def test_every_name_and_shape_is_the_published_one(
    network: VideoLLaMA2Network, layout: dict[str, tuple[int, ...]]
) -> None:
    assert {name: tuple(shape) for name, shape in expected_shapes(network).items()} == layout


def test_the_list_is_as_large_as_the_published_parts(layout: dict[str, tuple[int, ...]]) -> None:
    """Qwen2-7B has 7.62 billion parameters (Qwen2's report: 7.61, which cuts off), so400m's tower 428 million."""

    def size(prefix: str) -> int:
        return sum(math.prod(shape) for name, shape in layout.items() if name.startswith(prefix))

    seen = size("model.vision_tower."), size("model.mm_projector.")
    assert round((size("") - sum(seen)) / 1e9, 2) == 7.62
    assert round(seen[0] / 1e6) == 428


def test_sixteen_pictures_become_1352_tokens(network: VideoLLaMA2Network) -> None:
    """16 x 27 x 27 patches are halved to 8 x 13 x 13."""
    seen = network.mm_projector(torch.empty(1, 16, 729, 1152, device="meta"))
    assert seen.shape == (1, 1352, 3584)
    assert network.side == 384
    assert network.layers == 26


def test_what_no_shape_tells_is_as_in_the_config_of_siglip(network: VideoLLaMA2Network) -> None:
    config = network.vision_tower.config
    assert config.num_attention_heads == 16
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu_pytorch_tanh", 1e-6)
