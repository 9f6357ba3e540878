"""VideoPrism's video tower against numbers of the original Flax code, through a file in its original layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
import videoprism_golden as original
from model_golden import close

pytest.importorskip("transformers")

from prismaudio.backends.pretrained.videoprism import VideoPrismEncoder, load_npz, resized
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames

RECORDED = original.recorded()
ARRAYS = original.arrays(RECORDED.shapes)
GOLDEN = RECORDED.tensors
NORMS = "params/vision_encoder/{}_ln/scale"
POOLER_NORM = "params/contrastive_vision_pooler/pooling_attention_layer_norm/scale"
# What had been added to these when the recorder summed them up. The original code adds the one of "1 + scale" in
# place if it is run on NumPy arrays outside of jax.jit, as the recorder did, at every use of a norm outside a scan.
# The published program runs it on arrays of the device inside jax.jit, where nothing is changed in place.
ADDED = {NORMS.format("spatial"): 1, NORMS.format("temporal"): 1, POOLER_NORM: 2}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return original.save(tmp_path_factory.mktemp("videoprism") / "flax.npz", ARRAYS)


@pytest.fixture(scope="module")
def encoder(npz: Path) -> VideoPrismEncoder:
    return VideoPrismEncoder.from_pretrained(npz)


def test_weights_are_those_of_the_recording():
    for name, array in ARRAYS.items():
        held = array.astype(np.float64) + ADDED.get(name, 0)
        assert (held.sum(), np.abs(held).sum()) == pytest.approx(RECORDED.checksums[name], abs=1e-4), name


def test_features_in_space_and_in_time(encoder: VideoPrismEncoder):
    in_space = encoder.in_space(GOLDEN["in.frames"][0])
    close(in_space.flatten(0, 1)[None], GOLDEN["out.spatial_features"])
    close(encoder.in_time(in_space).flatten(0, 1)[None], GOLDEN["out.spatiotemporal_features"])


def test_one_vector_of_the_whole_video(encoder: VideoPrismEncoder):
    in_context = encoder.in_context(encoder.in_time(encoder.in_space(GOLDEN["in.frames"][0])))
    close(encoder.pooled(in_context.flatten(0, 1)[None]), GOLDEN["out.video_embedding"])


def test_one_vector_a_frame(tmp_path: Path):
    """The recorder pooled the video first and then the frames, with a norm that had grown by one meanwhile."""
    grown = ARRAYS | {POOLER_NORM: ARRAYS[POOLER_NORM] + 1}
    encoder = VideoPrismEncoder.from_pretrained(original.save(tmp_path / "flax.npz", grown))
    in_context = encoder.in_context(encoder.in_time(encoder.in_space(GOLDEN["in.frames"][0])))
    close(encoder.pooled(in_context), GOLDEN["out.frame_embeddings"][0])


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [16.66667]),
        (3, [2.05263, 13.45238, 35.57895]),
        (5, [0.40909, 4.14815, 12.66667, 26.18518, 43.68182]),
        (8, [0.0, 1, 4, 9, 16, 25, 36, 49]),
        (11, [0, 0.59091, 1.95455, 4.22727, 7.86364, 12.5, 18.04546, 24.59091, 32.5, 41.31818, 49]),
    ],
)
def test_positions_in_time_are_resized_as_jax_resizes_them(frames: int, expected: list[float]):
    """Numbers of jax.image.resize(squares, (frames, 1), method="bilinear") of jax 0.10.2."""
    squares = torch.arange(8.0)[None, :, None] ** 2
    torch.testing.assert_close(resized(squares, frames)[0, :, 0], torch.tensor(expected), atol=2e-5, rtol=0)


def test_a_file_in_the_original_layout_can_be_saved_in_that_of_transformers(tmp_path: Path):
    """transformers knows one width for pooler and blocks, as published; the golden model has two."""
    shapes = {name: tuple(128 if n == 96 else n for n in shape) for name, shape in RECORDED.shapes.items()}
    npz = original.save(tmp_path / "flax.npz", original.arrays(shapes))
    load_npz(npz, torch.float32).save_pretrained(tmp_path / "transformers")
    images = np.random.default_rng(0).integers(0, 256, (5, 72, 72, 3), dtype=np.uint8)
    theirs, ours = (VideoPrismEncoder.from_pretrained(path) for path in (npz, tmp_path / "transformers"))
    assert torch.equal(theirs.encode(Frames(images, 4.0)), ours.encode(Frames(images, 4.0)))


def test_the_folder_of_the_original_file_will_do(npz: Path, encoder: VideoPrismEncoder):
    loaded = VideoPrismEncoder.from_pretrained(npz.parent).network.state_dict()
    for name, tensor in encoder.network.state_dict().items():
        assert torch.equal(loaded[name], tensor)


def test_half_precision_is_asked_for_by_the_caller(npz: Path):
    network = VideoPrismEncoder.from_pretrained(npz, torch.bfloat16).network
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.bfloat16}


def test_a_text_tower_in_the_file_is_left_there(tmp_path: Path, encoder: VideoPrismEncoder):
    block = "params/text_encoder/unimodal_transformer/x_layers/"
    text = [
        *("cls_emb", "token_emb/emb_var", "unimodal_ln/bias", "unimodal_ln/scale"),
        *(f"{block}self_attention/{part}/{k}" for part in ("query", "key", "value", "post") for k in "wb"),
        *(f"{block}ff_layer/ffn_layer{n}/linear/{kind}" for n in (1, 2) for kind in ("kernel", "bias")),
        *(
            f"{block}{norm}/{kind}"
            for norm in ("layer_norm", "ff_layer/layer_norm")
            for kind in ("scale", "bias")
        ),
    ]
    names = [name if name.startswith(block) else f"params/text_encoder/{name}" for name in text]
    assert len(names) == 20
    whole = ARRAYS | {name: np.zeros((2, 3), np.float32) for name in names}
    loaded = VideoPrismEncoder.from_pretrained(original.save(tmp_path / "flax.npz", whole))
    assert loaded.network.state_dict().keys() == encoder.network.state_dict().keys()


def complaint(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        VideoPrismEncoder.from_pretrained(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_missing_or_misshapen_is_named(tmp_path: Path, name: str):
    lacking = {key: array for key, array in ARRAYS.items() if key != name}
    assert name in complaint(original.save(tmp_path / "lacking.npz", lacking))
    misshapen = ARRAYS | {name: np.concatenate([ARRAYS[name]] * 2, axis=-1)}
    assert "another shape" in complaint(original.save(tmp_path / "misshapen.npz", misshapen))
    flat = ARRAYS | {name: ARRAYS[name].reshape(-1)[:, None, None, None, None]}
    assert name in complaint(original.save(tmp_path / "flat.npz", flat))


def test_all_arrays_must_tell_of_as_many_layers(tmp_path: Path):
    name = "params/auxiliary_encoder/transformers_stack/x_layers/self_attention/post/b"
    more = ARRAYS | {name: np.concatenate([ARRAYS[name]] * 2)}
    assert f"{name} is (2, 32) instead of (1, 32)" in complaint(original.save(tmp_path / "flax.npz", more))


def test_an_unknown_array_is_named(tmp_path: Path):
    more = ARRAYS | {"params/text_encoder/other": np.zeros(2, np.float32)}
    assert "params/text_encoder/other" in complaint(original.save(tmp_path / "flax.npz", more))


def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, npz: Path):
    content = npz.read_bytes()
    half, changed, nothing = (tmp_path / f"{name}.npz" for name in ("half", "changed", "nothing"))
    half.write_bytes(content[: len(content) // 2])
    changed.write_bytes(content[:2000] + bytes(500) + content[2500:])
    nothing.write_bytes(b"")
    for path in (half, changed, nothing):
        assert "damaged" in complaint(path)
    assert "no weights at" in complaint(tmp_path / "none.npz")
