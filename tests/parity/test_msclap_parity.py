"""MS-CLAP 2023 at its published size, against numbers of the official code."""

import json

import pytest
import torch
from reward_golden import GOLDEN, golden, near, state
from small_judges import gpt2_tokenizer, msclap_file

pytest.importorskip("transformers")

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained import htsat
from prismaudio.backends.pretrained.msclap import CLAIMED_RATE, HOP, RATE, MSCLAPJudge

RECORDED = golden("msclap_audio")
SHAPES = json.loads((GOLDEN / "msclap_shapes.json").read_text())
COMPUTED = ("spectrogram_extractor", "logmel_extractor", "relative_position_index")
SOUND = RECORDED["pcm16_44k1_mono_7s"].float()[None] / 32767


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> MSCLAPJudge:
    """The published audible half beside a small readable one."""
    folder = tmp_path_factory.mktemp("msclap")
    names = {name: shape for name, shape in SHAPES.items() if not any(part in name for part in COMPUTED)}
    path = msclap_file(folder / "CLAP_weights_2023.pth", state(names), dim=1024)
    return MSCLAPJudge.from_pretrained(path, gpt2_tokenizer(folder / "gpt2"), hearing="prismaudio")


def test_decibels_of_mel_bands():
    near(htsat.mel(SOUND, CLAIMED_RATE, HOP)[0, 0, ::8], RECORDED["logmel_every8th_frame"], atol=2e-3)


@pytest.mark.slow
@torch.no_grad()
def test_seven_seconds_are_heard_as_published(judge: MSCLAPJudge):
    latent = judge.network.latent(htsat.mel(SOUND, CLAIMED_RATE, HOP))
    near(latent[0], RECORDED["latent768"])
    near(judge.network.audio_projection(latent)[0], RECORDED["embedding1024"])


@pytest.mark.slow
def test_nine_seconds_take_the_long_branch(judge: MSCLAPJudge):
    longer = torch.cat([SOUND, SOUND[:, : 2 * RATE].flip(-1)], dim=-1)
    expected = torch.nn.functional.normalize(RECORDED["embedding1024_9s_long_branch"], dim=-1)
    near(judge.hear(Sounds(longer[:, None], RATE))[0], expected)
