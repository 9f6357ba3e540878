"""All of Synchformer at its published size, against numbers of the official code, through a file of its layout."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import repeat
from model_golden import GOLDEN as MODEL_GOLDEN
from reward_golden import golden, near, state

pytest.importorskip("transformers")

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.synchformer_audio import RATE, segments_mel
from prismaudio.backends.pretrained.synchformer_judge import SynchformerJudge
from prismaudio.backends.pretrained.synchformer_network import build, published_name
from prismaudio.backends.synchrony import offset_grid
from prismaudio.types import Frames

RECORDED = golden("synchformer")
SHAPES = json.loads((MODEL_GOLDEN / "synchformer_shapes.json").read_text())
SOUND = Sounds(RECORDED["wav16k"][None, None], RATE)


def test_every_published_tensor_has_its_place():
    with torch.device("meta"):
        network = build({name: torch.empty(shape) for name, shape in SHAPES.items()})
    ours = {published_name(name): list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert ours == {
        name: shape for name, shape in SHAPES.items() if not name.startswith("vfeat_extractor.patch_embed.")
    }


def test_what_is_heard_is_prepared_as_published():
    near(segments_mel(SOUND.mono)[0], RECORDED["mel_in"], atol=1e-4)


def test_the_offsets_are_the_published_ones():
    near(offset_grid(), RECORDED["grid"], atol=1e-7)


@pytest.mark.slow
def test_a_film_and_its_sound_are_judged_as_published(tmp_path: Path):
    path = tmp_path / "synchformer_state_dict.pth"
    weights = state(SHAPES)
    assert sum(tensor.numel() for tensor in weights.values()) == 237_460_245
    torch.save(weights, path)
    judge = SynchformerJudge.from_pretrained(path)
    pixels = repeat(RECORDED["video_small_u8"].numpy(), "n c h w -> n (h p) (w q) c", p=16, q=16)
    frames = Frames(np.ascontiguousarray(pixels), fps=25)
    near(judge.watch(frames), RECORDED["vfeats"])
    near(judge.hear(SOUND)[0], RECORDED["afeats"])
    verdict = judge.score(SOUND, frames)
    near(verdict.logits[0, 0], RECORDED["logits"], atol=1e-4)
    near(verdict.offsets[0], RECORDED["offset_argmax"], atol=1e-6)
