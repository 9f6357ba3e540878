"""The waveform codec learns, its critic learns apart from it, and a broken run ends where an unbroken one does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from accelerate import Accelerator
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils import parametrize

from prismaudio.models.checkpoints import build_prismaudio
from prismaudio.models.discriminator import Discriminator
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Recording
from prismaudio.training.train_oobleck import (
    PUBLISHED_PRESET,
    AdversarialDescent,
    OobleckTrainingConfig,
    StereoCrops,
    calm_residual_branches,
    critic_learning_rate,
    frozen,
    halves,
    train_oobleck,
)

LENGTH = 1024


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Tones that die away, some of them shorter than a crop."""
    folder, recordings = tmp_path_factory.mktemp("sounds"), []
    for number, samples in enumerate((300, 1500, 6000)):
        time = np.arange(samples) / SAMPLE_RATE
        tone = 0.5 * np.sin(2 * np.pi * 440 * (number + 1) * time) * np.exp(-20 * time)
        for split in ("train", "validation"):
            path = folder / f"{split}-{number}.wav"
            soundfile.write(path, tone, SAMPLE_RATE)
            recordings.append(Recording(path, "tone", split, "struck", 0.0, "a tone"))
    return Corpus({}, tuple(recordings), ())


def config(steps: int, critic_start: int, **loop: object) -> OobleckTrainingConfig:
    return OobleckTrainingConfig.model_validate(
        {
            "model": {"channels": 4, "multipliers": (1, 2), "strides": (2, 4), "latent_channels": 4},
            "critic": {"width": 4, "fft_sizes": (256, 64), "start": critic_start},
            "weights": {"divergence_warmup": 4},
            "crop_latents": LENGTH // 8,
            "loop": {
                "steps": steps,
                "batch_size": 2,
                "learning_rate": 5e-3,
                "warmup": 2,
                "precision": "no",
                "ema_decay": 0.5,
                "checkpoint_every": 2,
                "validate_every": 1000,
                **loop,
            },
        }
    )


def learner(critic_start: int = 0) -> AdversarialDescent:
    torch.manual_seed(0)
    settings = config(10, critic_start)
    made = AdversarialDescent(settings, settings.model.build(), torch.zeros(1, 2, LENGTH))
    made.prepare(Accelerator(mixed_precision="no", cpu=True))
    return made


def noise(seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(2, 2, LENGTH, generator=torch.Generator().manual_seed(seed))


def weights(module: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def tensors(state: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a checkpoint."""
    if isinstance(state, dict | list | tuple):
        for key, value in state.items() if isinstance(state, dict) else enumerate(state):
            yield from tensors(value, f"{name}/{key}")
    else:
        yield name, state


def checkpoint(folder: Path) -> dict[str, Any]:
    return dict(tensors(torch.load(folder / "checkpoint.pt", weights_only=True)))


@pytest.fixture(scope="module")
def unbroken(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("unbroken")
    train_oobleck(config(8, critic_start=4), corpus, folder)
    return checkpoint(folder)


@pytest.mark.parametrize("stop_at", [3, 7], ids=["before the critic", "in the adversarial phase"])
def test_a_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(
    corpus: Corpus,
    unbroken: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_at: int,
) -> None:
    """Every tensor of both networks, both optimisers and the average; a step after the last checkpoint is lost."""
    settings = config(8, critic_start=4)
    learn = AdversarialDescent.learn

    def stops(self: AdversarialDescent, batch: Tensor, generator: torch.Generator, step: int) -> object:
        if step == stop_at:
            raise KeyboardInterrupt
        return learn(self, batch, generator, step)

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialDescent, "learn", stops)
        with pytest.raises(KeyboardInterrupt):
            train_oobleck(settings, corpus, tmp_path)
    torch.manual_seed(123)  # the resumed process starts from other random numbers
    train_oobleck(settings, corpus, tmp_path)

    resumed = checkpoint(tmp_path)
    assert resumed.keys() == unbroken.keys()
    assert {name.split("/")[1] for name in resumed} == {
        "step", "model", "ema", "optimizer", "critic", "critic_optimizer",
    }  # fmt: skip
    for name, value in unbroken.items():
        assert torch.equal(value, resumed[name]) if isinstance(value, Tensor) else value == resumed[name], (
            name
        )


def test_the_codec_learns_and_comes_back_plain_with_its_progress_on_record(
    corpus: Corpus, tmp_path: Path
) -> None:
    vae = train_oobleck(config(30, critic_start=1000, validate_every=15), corpus, tmp_path)
    rows = [json.loads(row) for row in (tmp_path / "validation.jsonl").read_text().splitlines()]
    untrained = OobleckVAE(2, 4, (1, 2), (2, 4), 4, SAMPLE_RATE)
    assert [row["step"] for row in rows] == [15, 30]
    assert rows[1]["spectral"] < rows[0]["spectral"] - 0.1
    assert vae.state_dict().keys() == untrained.state_dict().keys()
    assert not any(parametrize.is_parametrized(module) for module in vae.modules())
    assert vae.decode(vae.encode(noise())).shape == (2, 2, LENGTH)


def test_the_loss_of_one_sound_falls_within_thirty_steps() -> None:
    made, losses = learner(critic_start=1000), []
    for step in range(30):
        losses.append(made.learn(noise(), torch.Generator().manual_seed(step), step=9)["spectral"].item())
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_stereo_sounds_and_pictures_of_validation_can_be_played_and_seen(
    corpus: Corpus, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_oobleck(config(1, critic_start=1000), corpus, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert "validation/4/spectrogram" in events.Tags()["images"]
    (sound,) = events.Audio("validation/4/decoded")
    assert sound.encoded_audio_string[22] == 2  # the channels of a WAV file
    assert sound.length_frames == LENGTH


def test_the_critic_gets_gradients_only_from_its_own_loss_and_gives_the_codec_none() -> None:
    made = learner()
    posterior, decoded = made.codec(noise(), torch.Generator().manual_seed(0))
    made.codec_losses(noise(), posterior, decoded, step=0)["loss"].backward()
    assert all(parameter.grad is None for parameter in made.critic.parameters())
    assert all(parameter.grad is not None for parameter in made.codec.parameters())

    made.codec.zero_grad()
    before = weights(made.critic)
    made._teach_critic(noise(), decoded.detach(), step=0)
    assert not torch.equal(weights(made.critic), before)
    assert all(parameter.grad is None for parameter in made.codec.parameters())


def test_the_critic_steps_on_its_own_gradient_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a voice in the codec's loss, it learns exactly the same."""
    after = []
    for adversarial in (0.1, 0.0):
        made = learner()
        silenced = made.config.weights.model_copy(update={"adversarial": adversarial})
        made.config = made.config.model_copy(update={"weights": silenced})
        made.learn(noise(), torch.Generator().manual_seed(0), step=0)
        after.append((weights(made.critic), weights(made.codec)))
    assert torch.equal(after[0][0], after[1][0])
    assert not torch.equal(after[0][1], after[1][1])


def test_nobody_asks_the_critic_before_its_start() -> None:
    made = learner(critic_start=1)
    before = weights(made.critic)
    losses = made.learn(noise(), torch.Generator().manual_seed(0), step=0)
    assert losses.keys() == {"loss", "spectral", "kl"}
    assert torch.equal(weights(made.critic), before)
    losses = made.learn(noise(), torch.Generator().manual_seed(0), step=1)
    assert losses.keys() == {"loss", "spectral", "kl", "critic", "adversarial", "feature_matching"}
    assert not torch.equal(weights(made.critic), before)


def test_the_divergence_is_let_in_slowly() -> None:
    made = learner(critic_start=1000)
    posterior, decoded = made.codec(noise(), torch.Generator().manual_seed(0))
    totals = [made.codec_losses(noise(), posterior, decoded, step) for step in (0, 2, 4, 9)]
    weight = made.config.weights.divergence
    for losses, warm in zip(totals, (0, 0.5, 1, 1), strict=True):
        torch.testing.assert_close(losses["loss"], losses["spectral"] + warm * weight * losses["kl"])


def test_the_critic_warms_up_from_its_own_start() -> None:
    settings = config(1000, critic_start=100, warmup=10, decay_to=1.0)
    rates = [critic_learning_rate(settings, step) for step in (99, 100, 109, 500)]
    assert rates == pytest.approx([0, 0.001, 0.01, 0.01])


def test_a_frozen_critic_thaws() -> None:
    critic = Discriminator(2, 4, (64,))
    with frozen(critic):
        assert not any(parameter.requires_grad for parameter in critic.parameters())
    assert all(parameter.requires_grad for parameter in critic.parameters())


@torch.no_grad()
def test_one_pass_over_both_halves_gives_the_opinions_of_two_passes() -> None:
    critic = Discriminator(2, 4, (256, 64))
    together = halves(critic(torch.cat([noise(0), noise(1)])))
    for opinions, sound in zip(together, (noise(0), noise(1)), strict=True):
        for mine, alone in zip(opinions, critic(sound), strict=True):
            torch.testing.assert_close(mine.logits, alone.logits)
            torch.testing.assert_close(mine.features, alone.features)


def test_a_crop_is_a_function_of_seed_and_number(corpus: Corpus) -> None:
    crops, again = (StereoCrops(corpus.recordings, LENGTH, seed=5) for _ in range(2))
    assert torch.equal(crops[3], again[3])
    assert not torch.equal(crops[3], crops[4])
    assert not torch.equal(crops[3], StereoCrops(corpus.recordings, LENGTH, seed=6)[3])


def test_crops_are_stereo_in_range_audible_and_from_everywhere(corpus: Corpus) -> None:
    crops = StereoCrops(corpus.recordings, LENGTH, seed=0)
    drawn = torch.stack([crops[i] for i in range(100)])
    level = drawn.square().mean(dim=2).sqrt().clamp(min=1e-9).log10() * 20  # (100, 2) dB
    side = level[:, 1] - level[:, 0]
    assert drawn.shape == (100, 2, LENGTH)
    assert drawn.dtype == torch.float32
    assert drawn.abs().max() <= 1
    assert level.max(dim=1).values.min() > -70
    assert side.min() < -6
    assert side.max() > 6


@torch.no_grad()
def test_calm_branches_begin_near_the_identity() -> None:
    torch.manual_seed(0)
    vae = config(1, 0).model.build()
    block = vae.encoder[1]
    assert isinstance(block, nn.Sequential)
    unit, x = block[0], noise().repeat(1, 2, 1)
    before = unit(x) - x
    calm_residual_branches(vae, 0.1)
    torch.testing.assert_close(unit(x) - x, 0.1 * before, atol=1e-6, rtol=1e-4)


def test_the_preset_is_the_published_codec() -> None:
    published = OobleckTrainingConfig.resolve(PUBLISHED_PRESET)
    with torch.device("meta"):
        vae = published.model.build()
    shapes = {name: tensor.shape for name, tensor in build_prismaudio().vae.state_dict().items()}
    assert {name: tensor.shape for name, tensor in vae.state_dict().items()} == shapes
    assert published.critic.start < published.loop.steps


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": {"strides": (2, 4)}}, "differ in number"),
        ({"model": {"strides": (2, 4, 4, 8, 5)}}, "odd stride"),
        ({"model": {"multipliers": (1,), "strides": (2,)}}, "too short"),
    ],
)
def test_sizes_that_cannot_be_trained_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        OobleckTrainingConfig.model_validate(changes)
