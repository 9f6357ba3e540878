"""The recorded sounds, through the public call: a folder in the authors' layout, pictures in, audio out."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model_golden import Small, close, golden
from torch import Tensor

from prismaudio.generation import sampling
from prismaudio.generation.engine import Engine, choose_engine, released_engine
from prismaudio.generation.fit import Fit, NothingToLimit, fitted, whole
from prismaudio.generation.loading import assets, load_eyes, load_perception
from prismaudio.generation.memory import LEAST, Placement
from prismaudio.generation.pipeline import Job, VideoToAudio
from prismaudio.generation.published import Encoders, PublishedModel
from prismaudio.generation.sampling import Request
from prismaudio.media.audio import read_audio, write_audio
from prismaudio.media.preprocess import SYNCHFORMER, VIDEOPRISM
from prismaudio.types import Frames
from prismaudio.weights.folder import find_files, load_generator

SAMPLER = golden("sampler_small")
CONDITIONERS = golden("conditioners_small")
SECONDS = 194 * 32 / 44_100  # of 194 latent frames of the small codec
CHOICES = {"steps": 8, "guidance": 5.0}


def encoders() -> Encoders:
    """What the recorded features came from, whatever it is shown."""

    def encoder(name: str, **facts: object) -> SimpleNamespace:
        features = CONDITIONERS[f"in.{name}_features.0"]
        return SimpleNamespace(name=name, dim=features.shape[-1], encode=lambda shown: features, **facts)

    return Encoders(encoder("video", view=VIDEOPRISM), encoder("sync", view=SYNCHFORMER), encoder("text"))


@pytest.fixture(scope="module")
def folder(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authors")
    torch.save(small.state, folder / "prismaudio.ckpt")
    return folder


def published(folder: Path, *, released: bool, fit: Fit | None = None) -> VideoToAudio:
    generator = load_generator(find_files(folder))
    engine = released_engine("cpu") if released else choose_engine("cpu", "float32")
    model = PublishedModel(
        *(generator.model, generator.vae, encoders()),
        *(load_eyes(assets()), load_perception(assets()), fit or whole(engine)),
        released=released,
    )
    return VideoToAudio(model, engine)


@pytest.fixture
def recorded_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def noise(self: object, request: Request, frames: int) -> Tensor:
        return SAMPLER["in.noise"]

    monkeypatch.setattr(sampling.LatentSampler, "_noise", noise)


@pytest.mark.usefixtures("recorded_noise")
def test_the_release_is_reproduced_to_the_last_bit_of_its_file(folder: Path, tmp_path: Path):
    sound = published(folder, released=True)(film(), caption="anything", **CHOICES)
    write_audio(tmp_path / "sound.wav", sound.audio)
    ours = (read_audio(tmp_path / "sound.wav").samples * 32_768).round().int()
    assert (ours - SAMPLER["official_predict.wav_i16"][0].int()).abs().max() <= 1


@pytest.mark.usefixtures("recorded_noise")
def test_by_default_sync_is_heard_as_in_training(folder: Path):
    model = published(folder, released=False)
    sound = model(film(), caption="anything", loudness=None, **CHOICES)
    close(sound.audio.samples[None], SAMPLER["intended.audio_f32"])


@pytest.mark.usefixtures("recorded_noise")
def test_a_released_batch_is_as_loud_as_its_loudest(folder: Path):
    model = published(folder, released=True)
    quiet, loud = Job(film(), caption="a"), Job(film(), caption="b")
    decoded = model.codec.decode_pieces

    def half_as_loud_first(latents: Tensor, frames: int):  # noqa: ANN202
        half_as_loud_first.calls += 1
        return (piece * (0.5 if half_as_loud_first.calls == 1 else 1) for piece in decoded(latents, frames))

    half_as_loud_first.calls = 0
    model.codec.decode_pieces = half_as_loud_first
    peaks = [g.audio.samples.abs().max().item() for g in model.batch([quiet, loud], **CHOICES)]
    assert peaks == [pytest.approx(0.5, abs=1e-3), pytest.approx(1.0, abs=1e-3)]


def test_a_film_of_any_length_is_told_in_full(folder: Path):
    """From shorter than one sync segment to several windows, with thoughts of our planner."""
    model = published(folder, released=False)
    for seconds in (0.2, 0.64, 1.0):
        sound = model(film(seconds), steps=1)
        assert sound.audio.samples.shape[-1] == round(seconds * 44_100)
        assert sound.plan.provenance.planner == "embedded-planner"


@pytest.mark.usefixtures("recorded_noise")
def test_networks_that_only_visit_the_device_make_the_same_sound(folder: Path):
    offloaded = frozenset({"transformer", "decoder"})
    visiting = published(
        folder, released=False, fit=Fit(Placement(torch.device("cpu"), offloaded), LEAST._replace(decoder=40))
    )
    sound = visiting(film(), caption="anything", loudness=None, **CHOICES)
    close(sound.audio.samples[None], SAMPLER["intended.audio_f32"])


def test_the_transformer_stays_on_a_card_of_6_gib_and_its_batches_fit():
    cuda = Engine(torch.device("cuda"), torch.bfloat16, "graph")
    for gib in (6, 8, 12, 24):
        engine, fit = fitted(cuda, gib)
        assert engine.machinery == "graph"
        assert 1 <= engine.group <= 32
        assert fit.home("transformer", cuda.device) == cuda.device
    small, fit = fitted(cuda, 2.5)
    assert small.machinery == "eager"
    assert fit.home("transformer", cuda.device) == torch.device("cpu")


def test_a_limit_is_for_memory_of_its_own():
    with pytest.raises(NothingToLimit, match="leave it out"):
        fitted(choose_engine("cpu"), 8.0)


def test_windows_are_shown_what_they_cover():
    from prismaudio.generation.published import Stretches

    shown: list[list[int]] = []

    def encode(frames: Frames) -> Tensor:
        shown.append(frames.images[:, 0, 0, 0].tolist())
        return torch.tensor(shown[-1])

    stretches = Stretches([(0, 4), (3, 4), (8, 4)], encode)
    numbers = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    for part in np.split(numbers, [1, 5, 6]):
        stretches.add(Frames(part, 25.0))
    assert len(list(stretches.finish())) == 3
    assert shown == [[0, 1, 2, 3], [3, 4, 5, 6], [8, 9, 9, 9]]


def film(seconds: float = SECONDS) -> Frames:
    images = np.random.default_rng(0).integers(0, 255, (max(1, round(25 * seconds)), 32, 48, 3), np.uint8)
    return Frames(images, len(images) / seconds)
