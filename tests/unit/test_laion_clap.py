"""LAION's CLAP as a judge, with a small random network in a file of LAION's layout."""

from pathlib import Path

import pytest
import torch
from small_judges import RATE, laion_file, noise, roberta_tokenizer

pytest.importorskip("transformers")

from transformers import ClapFeatureExtractor

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained import htsat
from prismaudio.backends.pretrained.laion_clap import LaionCLAPJudge, filled
from prismaudio.models.checkpoints import CheckpointError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("laion")
    return laion_file(folder / "clap.pt"), roberta_tokenizer(folder / "roberta")


@pytest.fixture(scope="module")
def judge(files: tuple[Path, Path]) -> LaionCLAPJudge:
    return LaionCLAPJudge.from_pretrained(*files)


def test_every_tensor_of_the_file_reaches_its_place(judge: LaionCLAPJudge, files: tuple[Path, Path]):
    theirs = torch.load(files[0], weights_only=False)["state_dict"]
    ours = judge.network.state_dict()
    qkv = theirs["module.audio_branch.layers.1.blocks.0.attn.qkv.weight"]
    block = "audio_model.audio_encoder.layers.1.blocks.0.attention.self"
    assert torch.equal(torch.cat([ours[f"{block}.{part}.weight"] for part in ("query", "key", "value")]), qkv)
    for mine, name in (
        ("text_projection.linear2.bias", "text_projection.2.bias"),
        ("audio_projection.linear1.weight", "audio_projection.0.weight"),
        ("text_model.pooler.dense.weight", "text_branch.pooler.dense.weight"),
        ("audio_model.audio_encoder.batch_norm.running_var", "audio_branch.bn0.running_var"),
    ):
        assert torch.equal(ours[mine], theirs[f"module.{name}"])


def test_the_input_is_that_of_the_feature_extractor(judge: LaionCLAPJudge):
    extractor = ClapFeatureExtractor(
        truncation="rand_trunc", padding="repeatpad", frequency_min=50, frequency_max=14_000
    )
    audio = noise(10.0, channels=1, rate=48_000).mono
    theirs = extractor(audio[0].numpy(), sampling_rate=48_000, return_tensors="pt")["input_features"]
    ours = htsat.mel(audio, 48_000, 480)
    torch.testing.assert_close(ours[..., : theirs.shape[2], :], theirs.float(), atol=2e-3, rtol=0)


def test_all_of_a_long_sound_is_heard(judge: LaionCLAPJudge):
    sounds = noise(11.0, channels=1)
    changed = Sounds(sounds.samples.clone(), RATE)
    changed.samples[..., -RATE // 2 :] *= 5
    assert not torch.allclose(judge.hear(sounds), judge.hear(changed), atol=1e-5)


def test_a_short_sound_is_repeated_whole_and_then_silent():
    audio = torch.arange(1.0, 200_001)[None]
    full = filled(audio)
    assert full.shape == (1, 480_000)
    assert torch.equal(full[:, 200_000:400_000], audio)
    assert not full[:, 400_000:].any()


def test_sounds_and_texts_are_judged_as_if_alone(judge: LaionCLAPJudge):
    sounds, texts = (
        noise(3.0, count=8),
        ["a", "a dog barks", "rain on a roof", "b", "c", "d e f", "g", "an owl"],
    )
    together = judge.score(sounds, texts)
    for k in (0, 2, 7):
        alone = judge.score(Sounds(sounds.samples[k : k + 1], RATE), texts[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-5, rtol=0)


def test_foreign_and_absent_files_are_named(tmp_path: Path, files: tuple[Path, Path]):
    torch.save({"state_dict": {"layer": torch.zeros(1)}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="without fusion"):
        LaionCLAPJudge.from_pretrained(tmp_path / "foreign.pt", files[1])
    absent = available("LAION-CLAP", lambda: LaionCLAPJudge.from_pretrained(tmp_path, files[1]))
    assert isinstance(absent, NotAvailable)
    assert "no weights at" in str(absent)
