"""PE-AV as a judge of sound and picture, with a small random network in a folder of transformers' layout."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_judges import noise, peav_folder, small_eyes

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained import pe_av
from prismaudio.backends.pretrained.pe_av import HOP, RATE, NoTimm, PeavJudge, spread
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames


@pytest.fixture(scope="module", autouse=True)
def eyes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.AutoModelForImageClassification.from_config", small_eyes)
        patch.setattr(pe_av, "has_timm", lambda: True)
        yield


@pytest.fixture(scope="module")
def folder(eyes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return peav_folder(tmp_path_factory.mktemp("peav"))


@pytest.fixture(scope="module")
def judge(folder: Path) -> PeavJudge:
    return PeavJudge.from_pretrained(folder)


def film(seed: int = 0, count: int = 30) -> Frames:
    return Frames(np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 3), np.uint8), 25.0)


def test_a_score_is_the_cosine_of_what_the_network_hears_and_sees(judge: PeavJudge):
    """Beside transformers' own front end for sound, and its whole network."""
    sounds, frames = noise(1.01, count=2, rate=RATE), film()
    extractor = transformers.PeAudioFeatureExtractor()
    heard = extractor([x.numpy() for x in sounds.mono], sampling_rate=RATE, return_tensors="pt")
    pictures = (
        torch.from_numpy(frames.images[[0, 9, 19, 29]]).permute(0, 3, 1, 2)[None].contiguous() / 127.5 - 1
    )
    with torch.no_grad():
        found = judge.network(
            input_values=heard["input_values"], pixel_values_videos=pictures.repeat(2, 1, 1, 1, 1)
        )
    expected = torch.cosine_similarity(found.audio_embeds, found.video_embeds)
    torch.testing.assert_close(judge.score(sounds, frames), expected, atol=1e-4, rtol=0)
    assert heard["input_values"].shape[-1] % HOP == 0


def test_sounds_are_judged_as_if_alone_and_to_their_end(judge: PeavJudge):
    sounds, frames = noise(2.0, count=8), film()
    together = judge.score(sounds, frames)
    alone = judge.score(Sounds(sounds.samples[5:6], sounds.sample_rate), frames)
    torch.testing.assert_close(together[5:6], alone, atol=1e-5, rtol=0)
    changed = sounds.samples.clone()
    changed[..., -10_000:] *= 5
    assert (judge.score(Sounds(changed, sounds.sample_rate), frames) - together).abs().min() > 1e-5
    assert abs(float(judge.score(sounds, film(1))[0] - together[0])) > 1e-5


def test_pictures_are_spread_from_the_first_to_the_last():
    assert spread(30, 4).tolist() == [0, 9, 19, 29]
    assert spread(2, 4).tolist() == [0, 0, 0, 1]
    assert spread(3, None).tolist() == [0, 1, 2]


def test_how_it_looks_is_read_of_its_folder(folder: Path, judge: PeavJudge, tmp_path: Path):
    assert (judge.view.width, judge.view.height, judge.pictures) == (28, 28, 4)
    assert "4 pictures" in judge.versions["preparation"]
    assert len(judge.versions["weights"]) == 64
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "video_preprocessor_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not say how pictures are seen"):
        PeavJudge.from_pretrained(other)


def test_a_folder_that_lacks_a_tensor_is_refused(folder: Path, tmp_path: Path):
    other = shutil.copytree(folder, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    state.pop("audio_model.audio_head.proj.weight")
    save_file(state, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="1 tensors do not fit, such as audio_model.audio_head"):
        PeavJudge.from_pretrained(other)


def test_without_timm_there_are_no_eyes(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pe_av, "has_timm", lambda: False)
    with pytest.raises(NoTimm, match="pip install timm"):
        PeavJudge.from_pretrained(folder)
