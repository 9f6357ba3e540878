"""A sketch of latents is what would be heard of them: as the judges hear the sound itself, moment by moment."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.senses import Senses, timbres
from prismaudio.dimensions.scoring import Panel
from prismaudio.generation.loading import assets
from prismaudio.models.checkpoints import load_weights, read_config
from prismaudio.models.codec import Codec
from prismaudio.models.hearing import hear
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.sketch import Sketch, shortened, sketch
from prismaudio.models.sound_classifier import classifier_mel, relative
from prismaudio.posttraining.sketched import CannotSketch, check_sketching

RATE = 44_100


@pytest.fixture(scope="module")
def codec() -> MelStereoCodec:
    """The shipped one, guessing phase well enough."""
    path: Path = assets() / "codec.safetensors"
    codec = MelStereoCodec(**read_config(path))
    load_weights(path, codec)
    codec.phase_rounds = 16
    return codec.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def latents(codec: MelStereoCodec) -> Tensor:
    """Two sounds of 2 s: bursts that wander from left to right, and one on the right in a quiet room."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(2 * RATE) / RATE
    bursts = torch.randn(len(t), generator=generator) * torch.exp(-12 * (t % 0.5)) * 0.3
    place = t - 1
    wandering = torch.stack([bursts * 10 ** (-0.3 * place), bursts * 10 ** (0.3 * place)])
    tone = torch.sin(2 * torch.pi * 440 * t) * (t > 1) * 0.2 + torch.randn(len(t), generator=generator) * 1e-3
    right = torch.stack([tone * 0.3, tone])
    return codec.encode(torch.stack([wandering, right]))


def likeness(a: Tensor, b: Tensor) -> float:
    length = min(a.shape[-1], b.shape[-1])
    return float(np.corrcoef(a[..., :length].flatten(), b[..., :length].flatten())[0, 1])


def test_what_is_sketched_is_what_would_be_heard(codec: MelStereoCodec, latents: Tensor) -> None:
    sounds = codec.decode(latents)
    heard, seen = hear(sounds), sketch(codec, latents)
    assert seen.heard.mel.shape == heard.mel.shape
    assert likeness(relative(seen.heard.mel), relative(heard.mel)) > 0.95
    timbre = torch.stack([classifier_mel(sound) for sound in sounds])
    assert likeness(relative(seen.timbre), relative(timbre)) > 0.93
    loud = heard.energy > 1e-2 * heard.energy.mean(dim=-1, keepdim=True)
    assert float((seen.heard.azimuth - heard.azimuth)[loud].abs().mean()) < 0.08
    for ours, theirs in zip(seen.heard.energy, heard.energy, strict=True):  # at the level of each
        assert likeness(ours.clamp(min=1e-4).log(), theirs.clamp(min=1e-4).log()) > 0.95
    assert float((seen.heard.marks[:, 0] - heard.marks[:, 0]).abs().max()) < 0.35  # crest, decades


def test_a_sketch_is_of_one_sound_whatever_its_company_and_level(
    codec: MelStereoCodec, latents: Tensor
) -> None:
    together, alone = sketch(codec, latents), sketch(codec, latents[1:])
    for name in ("mel", "azimuth", "energy", "marks"):
        torch.testing.assert_close(
            getattr(together.heard, name)[1:], getattr(alone.heard, name), rtol=1e-3, atol=1e-3
        )
    power = together.envelope.square().mean(dim=(1, 2))
    torch.testing.assert_close(power[0], power[1], rtol=0.15, atol=0)


def test_a_shortened_sketch_ends_where_the_plan_does(codec: MelStereoCodec, latents: Tensor) -> None:
    short = shortened(sketch(codec, latents), codec, 1.5)
    assert (short.heard.mel.shape[-1], short.envelope.shape[-1]) == (150, 150)
    assert short.heard.azimuth.shape == short.heard.energy.shape == (2, round(1.5 * RATE / 2048))
    assert short.timbre.shape[-1] == round(1.5 * RATE / 512)


def test_senses_take_a_sketch_for_what_they_hear(codec: MelStereoCodec, latents: Tensor) -> None:
    seen: Sketch = sketch(codec, latents)
    sounds = Sounds(seen.envelope, 100, seen)
    assert Senses().hear(sounds) is seen.heard
    assert torch.equal(timbres(sounds)[1], seen.timbre[1])
    assert sounds.duration == pytest.approx(latents.shape[-1] * 2048 / RATE, abs=0.01)


def test_who_must_hear_sounds_played_says_so(codec: MelStereoCodec) -> None:
    assert check_sketching(codec, Panel({})) is codec
    with torch.device("meta"):
        waveform: Codec = OobleckVAE(2, 4, (1, 2), (2, 4), 8, RATE)
    with pytest.raises(CannotSketch, match="only sounds of the embedded codec .* judging.by=sound"):
        check_sketching(waveform, Panel({}))

    class Ear:
        name = "ear"

    class Reward:
        judges = (Ear(),)

    with pytest.raises(CannotSketch, match="ear must hear sounds played; set judging.by=sound"):
        check_sketching(codec, Panel({"temporal": Reward()}))  # type: ignore[dict-item]
