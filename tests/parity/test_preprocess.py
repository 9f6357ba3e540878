"""The two encoders see exactly what the published pipeline shows them.

Golden: official pad_to_square, and torchvision 0.29's bicubic resize for uint8 on the CPU
(see golden/model/README.md). Both work in whole bytes, so equality is exact.
"""

import numpy as np
import pytest
import torch
from einops import rearrange
from model_golden import golden

from prismaudio.media.preprocess import SYNCHFORMER, VIDEOPRISM, Image, synchformer_input, videoprism_input
from prismaudio.types import Frames

GOLDEN = golden("preprocess")
SIZES = ["180x320", "45x80", "60x60", "80x45"]


def frame(size: str) -> Image:
    return rearrange(GOLDEN[f"in.{size}"], "1 c h w -> h w c").numpy()


@pytest.mark.parametrize("size", SIZES)
def test_videoprism_frames(size: str):
    seen = torch.from_numpy(VIDEOPRISM(frame(size)))
    expected = rearrange(GOLDEN[f"clip_u8_288.{size}.slice"], "1 c h w -> h w c")
    assert torch.equal(seen[96:144, 96:144], expected)
    assert torch.equal(seen.long().sum((1, 2)), GOLDEN[f"clip_u8_288.{size}.rowsum"][0].long())


@pytest.mark.parametrize("size", SIZES)
def test_synchformer_frames(size: str):
    seen = SYNCHFORMER(frame(size))
    numbers = synchformer_input(Frames(seen[None], fps=25))
    assert torch.equal(numbers[:, :, 88:136, 88:136], GOLDEN[f"sync224_emulated.{size}.slice"])
    rows = torch.from_numpy(np.ascontiguousarray(seen)).long().sum((1, 2))
    assert torch.equal(rows, GOLDEN[f"sync224_emulated.{size}.rowsum_u8"][0].long())


def test_videoprism_numbers_are_bytes_over_255():
    seen = VIDEOPRISM(frame("45x80"))
    numbers = videoprism_input(Frames(seen[None], fps=4))
    assert numbers.shape == (1, 288, 288, 3)
    assert torch.equal(numbers[0], torch.from_numpy(seen).float() / 255)
