"""The transformer's job, at a size that trains in seconds: crops are functions of their number, and it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prismaudio.data.features import VIDEO_DIM
from prismaudio.dimensions.plan import Plan
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import draw_scene
from prismaudio.training.loop import LoopConfig
from prismaudio.training.train_dit import (
    DiTConfig,
    DiTTrainingConfig,
    SceneCrops,
    TrainingScene,
    jittered,
    train_dit,
)

HOP_SECONDS = 2048 / 44100
SMALL = DiTTrainingConfig(
    model=DiTConfig(width=64, depth=1, heads=2),
    lengths=(16, 24),
    loop=LoopConfig(
        steps=12,
        batch_size=4,
        learning_rate=2e-3,
        warmup=2,
        checkpoint_every=6,
        validate_every=12,
        log_every=4,
        precision="no",
    ),
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


@pytest.fixture(scope="module")
def scenes(corpus: Corpus) -> list[TrainingScene]:
    plans = [draw_scene(0, index, "train", corpus).plan(corpus) for index in range(6)]
    rng = torch.Generator().manual_seed(0)
    return [
        TrainingScene(
            plan=plan,
            video=torch.randn(36, VIDEO_DIM, generator=rng).half(),
            motion=torch.rand(226, 36, generator=rng).half(),
            latents=tuple(torch.randn(81, 60, generator=rng).half() for _ in range(2)),
        )
        for plan in plans
    ]


def test_a_crop_is_a_function_of_its_number(corpus: Corpus, scenes: list[TrainingScene]) -> None:
    crops, again = (SceneCrops(scenes, corpus, SMALL, HOP_SECONDS) for _ in range(2))
    latents, features = crops[5]
    same, same_features = again[5]
    torch.testing.assert_close(latents, same, rtol=0, atol=0)
    for part, other in zip(features, same_features, strict=True):
        torch.testing.assert_close(part, other, rtol=0, atol=0)


def test_all_crops_of_a_batch_have_one_length(corpus: Corpus, scenes: list[TrainingScene]) -> None:
    crops = SceneCrops(scenes, corpus, SMALL, HOP_SECONDS)
    lengths = [{crops[4 * batch + i][0].shape[1] for i in range(4)} for batch in range(16)]
    assert all(len(of_batch) == 1 for of_batch in lengths)
    assert set().union(*lengths) == {16, 24}


def test_jitter_keeps_order_and_span() -> None:
    plan = Plan.model_validate(
        {
            "duration": 3,
            "semantic": {"events": [{"id": "a", "sound": "a drum"}]},
            "temporal": {"spans": [{"event": "a", "onset": 1, "offset": 2, "hits": [1, 1.5, 2]}]},
        }
    )
    span = jittered(plan.temporal.spans[0], 0.3, np.random.default_rng(0))
    assert list(span.hits) == sorted(span.hits)
    assert all(1 <= hit <= 2 for hit in span.hits)
    assert span.hits != plan.temporal.spans[0].hits


def test_the_job_trains_shows_and_resumes(
    corpus: Corpus, scenes: list[TrainingScene], tmp_path: Path
) -> None:
    codec = MelStereoCodec(width=32, encoder_blocks=1, decoder_blocks=1, phase_rounds=2).eval()
    whole = train_dit(SMALL, corpus, scenes, scenes[:2], codec, tmp_path / "whole")
    half = SMALL.model_copy(update={"loop": SMALL.loop.model_copy(update={"decay_to": 1.0})})
    start = half.model_copy(update={"loop": half.loop.model_copy(update={"steps": 6})})
    train_dit(start, corpus, scenes, scenes[:2], codec, tmp_path / "parts")
    resumed = train_dit(half, corpus, scenes, scenes[:2], codec, tmp_path / "parts")
    unbroken = train_dit(half, corpus, scenes, scenes[:2], codec, tmp_path / "unbroken")
    for name, value in unbroken.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)
    assert (tmp_path / "whole" / "validation.jsonl").read_text().count("loss_0.5") == 1
    assert not torch.equal(whole.dit.project_in.weight, unbroken.dit.project_in.weight)
