"""The published encoders keep their promises: shapes, independence, bounded memory, and one line for every damage."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

pytest.importorskip("transformers")

import tiny_encoders as tiny
import transformers

from prismaudio import PrismAudioError
from prismaudio.backends.pretrained.capped_attention import attention
from prismaudio.backends.pretrained.missing import MissingExtra, extra_for
from prismaudio.backends.pretrained.t5gemma import T5GemmaEncoder
from prismaudio.backends.pretrained.videoprism import UnusableFrames, VideoPrismEncoder
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames

TEXT = "the dog barks <pad> twice"


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of both towers of VideoPrism."""
    folder = tmp_path_factory.mktemp("videoprism")
    tiny.save_videoprism(folder)
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of both halves of T5-Gemma."""
    folder = tmp_path_factory.mktemp("t5gemma")
    tiny.save_t5gemma(folder)
    return folder


@pytest.fixture
def copied(vision: Path, words: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Folders of one's own, to be damaged."""

    def copy(name: str) -> Path:
        return shutil.copytree({"vision": vision, "words": words}[name], tmp_path / name)

    return copy


def film(frames: int, size: int = 54) -> Frames:
    images = np.random.default_rng(frames).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    return Frames(images, 4.0)


def complaint(load: Callable[[], object], kind: type[PrismAudioError] = CheckpointError) -> str:
    with pytest.raises(kind) as error:
        load()
    assert "\n" not in str(error.value)
    return str(error.value)


# VideoPrism ------------------------------------------------------------------------------------


@torch.no_grad()
def as_transformers_would(network: torch.nn.Module, frames: Frames) -> Tensor:
    """One vector a frame by the steps of transformers, all at once: what the published model reads."""
    pixels = torch.from_numpy(frames.images).permute(0, 3, 1, 2)[None].float() / 255
    tokens = network(pixels, interpolate_pos_encoding=True).last_hidden_state
    pooled = network.head(tokens.reshape(len(frames.images), -1, tokens.shape[-1]))[0][:, 0]
    return torch.nn.functional.normalize(network.head_layernorm(pooled), dim=-1)


@pytest.mark.parametrize("frames", [1, 5, 8, 11])
def test_a_frame_becomes_one_unit_vector_the_same_as_with_transformers(vision: Path, frames: int):
    encoder = VideoPrismEncoder.from_pretrained(vision)
    seen = encoder.encode(film(frames))
    assert seen.shape == (frames, encoder.dim)
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(frames))
    network = transformers.VideoPrismClipModel.from_pretrained(vision).video_model
    torch.testing.assert_close(seen, as_transformers_would(network, film(frames)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("frames_at_once", "logits_at_once"), [(1, 1), (2, 7), (3, 40), (5, 200), (64, 10**9)]
)
def test_the_limits_of_memory_change_nothing(vision: Path, frames_at_once: int, logits_at_once: int):
    network = VideoPrismEncoder.from_pretrained(vision).network
    limited = VideoPrismEncoder(network, frames_at_once, logits_at_once).encode(film(11))
    torch.testing.assert_close(limited, VideoPrismEncoder(network).encode(film(11)), atol=1e-6, rtol=0)


def test_a_film_is_seen_alike_every_time(vision: Path):
    encoder = VideoPrismEncoder.from_pretrained(vision)
    first = encoder.encode(film(5))
    encoder.encode(film(3))
    assert torch.equal(encoder.encode(film(5)), first)


def test_half_precision_sees_nearly_the_same(vision: Path):
    exact, half = (
        VideoPrismEncoder.from_pretrained(vision, dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    assert half.network.dtype == torch.bfloat16
    seen = half.encode(film(11))
    assert seen.dtype == torch.float32
    assert float((seen * exact.encode(film(11))).sum(dim=1).min()) > 0.99


def test_the_text_tower_is_never_built(vision: Path, tmp_path: Path):
    encoder = VideoPrismEncoder.from_pretrained(vision)
    assert not any("text" in name for name, _ in encoder.network.named_modules())
    transformers.VideoPrismClipModel.from_pretrained(vision).video_model.save_pretrained(tmp_path)
    assert torch.equal(VideoPrismEncoder.from_pretrained(tmp_path).encode(film(2)), encoder.encode(film(2)))


def test_weights_in_shards_are_the_same_weights(vision: Path, tmp_path: Path):
    transformers.VideoPrismClipModel.from_pretrained(vision).save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    seen = VideoPrismEncoder.from_pretrained(tmp_path).encode(film(2))
    assert torch.equal(seen, VideoPrismEncoder.from_pretrained(vision).encode(film(2)))
    max(tmp_path.glob("*.safetensors")).unlink()
    assert "no weights at" in complaint(lambda: VideoPrismEncoder.from_pretrained(tmp_path))


def test_frames_that_were_not_seen_through_the_view_are_refused(vision: Path):
    encoder = VideoPrismEncoder.from_pretrained(vision)
    assert "54 x 54, got 2 of 72 x 72" in complaint(lambda: encoder.encode(film(2, size=72)), UnusableFrames)
    assert "got 0" in complaint(lambda: encoder.encode(film(0)), UnusableFrames)


@pytest.mark.parametrize("logits_at_once", [1, 10, 63, 10**6])
def test_attention_in_chunks_is_attention(logits_at_once: int):
    query, key, value = torch.randn(3, 2, 4, 7, 8).double() * 20
    whole = (50 * torch.tanh(query @ key.mT * 0.3 / 50)).softmax(dim=-1) @ value
    chunked = attention(query, key, value, 0.3, 50.0, logits_at_once)
    torch.testing.assert_close(chunked, whole, atol=1e-4, rtol=1e-4)
    plain = (query @ key.mT * 0.3).softmax(dim=-1) @ value
    torch.testing.assert_close(attention(query, key, value, 0.3, None, logits_at_once), plain)


# T5-Gemma --------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_word_is_one_row_the_same_as_with_transformers(words: Path):
    encoder = T5GemmaEncoder.from_pretrained(words, torch.float32)
    rows = encoder.encode(TEXT)
    ids = torch.tensor([[tiny.BOS, *(tiny.WORDS.index(word) for word in TEXT.split())]])
    assert rows.shape == (ids.shape[1], encoder.dim)
    network = transformers.T5GemmaForConditionalGeneration.from_pretrained(words).get_encoder()
    expected = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=0)


def test_a_text_is_read_alike_alone_and_among_others(words: Path):
    encoder = T5GemmaEncoder.from_pretrained(words)
    first = encoder.encode(TEXT)
    encoder.encode("a dog at the door barks and barks and barks")
    assert torch.equal(encoder.encode(TEXT), first)


def test_weights_are_half_as_long_as_the_rows_unless_asked(words: Path):
    encoder = T5GemmaEncoder.from_pretrained(words)
    assert {tensor.dtype for tensor in encoder.network.state_dict().values()} == {torch.bfloat16}
    assert encoder.encode(TEXT).dtype == torch.float32
    exact = T5GemmaEncoder.from_pretrained(words, torch.float32).encode(TEXT)
    similarity = torch.cosine_similarity(encoder.encode(TEXT), exact)
    assert float(similarity.min()) > 0.99


def test_the_decoder_is_never_built(words: Path, tmp_path: Path):
    encoder = T5GemmaEncoder.from_pretrained(words)
    assert not any("decoder" in name or "lm_head" in name for name, _ in encoder.network.named_modules())
    encoder.network.save_pretrained(tmp_path)
    tiny.save_tokenizer(tmp_path)
    assert torch.equal(T5GemmaEncoder.from_pretrained(tmp_path).encode(TEXT), encoder.encode(TEXT))


def test_a_long_text_is_not_cut(words: Path):
    assert len(T5GemmaEncoder.from_pretrained(words).encode("dog " * 300)) == 301


def test_an_empty_text_is_what_the_tokenizer_makes_of_it(words: Path, copied: Callable[[str], Path]):
    assert T5GemmaEncoder.from_pretrained(words).encode("").shape == (1, 32)
    folder = copied("words")
    tiny.save_tokenizer(folder, begin=False)
    nothing = T5GemmaEncoder.from_pretrained(folder).encode("")
    assert nothing.shape == (0, 32)
    assert nothing.dtype == torch.float32


def test_a_tokenizer_is_needed_and_must_be_that_of_the_weights(copied: Callable[[str], Path]):
    folder = copied("words")
    tiny.save_tokenizer(folder, [*tiny.WORDS, "meow"])
    assert "12 tokens, the weights 11" in complaint(lambda: T5GemmaEncoder.from_pretrained(folder))
    (folder / "tokenizer.json").write_text("{")
    assert "cannot be read" in complaint(lambda: T5GemmaEncoder.from_pretrained(folder))
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer in" in complaint(lambda: T5GemmaEncoder.from_pretrained(folder))


# both ------------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize(
    ("name", "load", "tensor"),
    [
        ("vision", VideoPrismEncoder.from_pretrained, "video_model.head.q_proj.weight"),
        ("words", T5GemmaEncoder.from_pretrained, "model.encoder.layers.1.mlp.up_proj.weight"),
    ],
)
Load = Callable[[Path | str], object]


@BOTH
def test_a_tensor_that_is_missing_unknown_or_misshapen_is_named(
    copied: Callable[[str], Path], name: str, load: Load, tensor: str
):
    folder = copied(name)
    path = folder / "model.safetensors"
    whole = load_file(path)
    ours = tensor.partition(".")[2]
    save_file({key: value for key, value in whole.items() if key != tensor}, path)
    assert f"missing ({ours})" in complaint(lambda: load(folder))
    save_file(whole | {"surprise": torch.zeros(1)}, path)
    assert "unknown (surprise)" in complaint(lambda: load(folder))
    save_file(whole | {tensor: torch.zeros(3, 3)}, path)
    assert f"{ours} is (3, 3) instead of" in complaint(lambda: load(folder))


@BOTH
def test_damaged_files_are_said_to_be_damaged(
    copied: Callable[[str], Path], name: str, load: Load, tensor: str
):
    folder = copied(name)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in complaint(lambda: load(folder))
    path.unlink()
    assert "no weights at" in complaint(lambda: load(folder))
    for content in ("{", "[]", '{"weight_map": 3}'):
        (folder / "model.safetensors.index.json").write_text(content)
        assert "model.safetensors.index.json" in complaint(lambda: load(folder))


@BOTH
def test_a_configuration_of_something_else_or_of_nothing_is_refused(
    copied: Callable[[str], Path], name: str, load: Load, tensor: str
):
    folder = copied(name)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for part in ("vision_config", "encoder"):
        if part in config:
            path.write_text(json.dumps(config | {part: config[part] | {"hidden_size": "wide"}}))
            assert "makes no sense" in complaint(lambda: load(folder))
    path.write_text(json.dumps(config | {"model_type": "bert"}))
    assert "type bert" in complaint(lambda: load(folder))
    path.write_text("{")
    assert "cannot be read" in complaint(lambda: load(folder))
    path.unlink()
    assert "no config.json in" in complaint(lambda: load(folder))


@BOTH
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, name: str, load: Load, tensor: str):
    assert f"{tmp_path / 'none'}" in complaint(lambda: load(tmp_path / "none"), PrismAudioError)


@BOTH
def test_without_transformers_the_extra_to_install_is_named(
    vision: Path, words: Path, monkeypatch: pytest.MonkeyPatch, name: str, load: Load, tensor: str
):
    monkeypatch.setitem(sys.modules, "transformers", None)
    folder = {"vision": vision, "words": words}[name]
    assert 'pip install "prismaudio[published]"' in complaint(lambda: load(folder), PrismAudioError)


def test_a_long_reason_why_a_package_is_missing_is_told_in_one_line():
    def load() -> None:
        with extra_for("VideoPrism"):
            raise ImportError("\nVideoPrism requires X\nbut it was not found")

    assert "VideoPrism requires X)" in complaint(load, MissingExtra)


def test_terms_to_accept_are_told_with_their_page(monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*_args: object, **_kwargs: object) -> None:
        response = SimpleNamespace(headers={}, request=None, status_code=401)
        raise GatedRepoError("401 Client Error.\n\nCannot access gated repo", response=response)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    told = complaint(T5GemmaEncoder.from_pretrained, PrismAudioError)
    assert "https://huggingface.co/google/t5gemma-l-l-ul2-it" in told
    assert "hf auth login" in told
    assert "HF_TOKEN" in told
