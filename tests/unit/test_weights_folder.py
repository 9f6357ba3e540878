"""Folders of the published model: found in either layout, loaded strictly, converted whole or not at all."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from published_files import (
    CODEC,
    SYNCHFORMER,
    TRANSFORMER,
    prismaudio_state,
    synchformer_state,
    vae_state,
    write_published,
)
from safetensors.torch import load_file
from torch import Tensor

from prismaudio.backends.pretrained.synchformer import load_synchformer
from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.models.checkpoints import CheckpointError, PrismAudioModel, load_published, load_published_vae
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.weights.conversion import convert_folder, convert_videoprism
from prismaudio.weights.folder import (
    WeightsFolderError,
    find_files,
    load_generator,
    read_config,
)
from prismaudio.weights.layout import HUB_FILES, Layout

GATE = "model.model.transformer.gate"
WRITTEN = {"config.json", "README.md", "model.safetensors", "vae.safetensors", "synchformer.safetensors"}


def silent(stage: str, share: float) -> None:
    """Nobody wants to know how far it is."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("original"))


@pytest.fixture
def published(original: Path, tmp_path: Path) -> Path:
    """The authors' files, to be spoilt."""
    return Path(shutil.copytree(original, tmp_path / "published"))


def converted(published: Path, out: Path, dtype: str = "float32", *, force: bool = False) -> Path:
    convert_folder(find_files(published), out, dtype, force=force, progress=silent)
    return out


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def tensors(built: PrismAudioModel) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": t for part in built._fields for name, t in getattr(built, part).state_dict().items()
    }


@torch.no_grad()
def velocity(built: PrismAudioModel) -> Tensor:
    """What the transformer answers to numbers that are always the same."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, 5, 8), (1, 3, 64), (1, 8, 12)]
    features = Features(*(torch.randn(shape, generator=generator) for shape in shapes))
    x = torch.randn(1, 4, 6, generator=generator)
    return built.model(x, torch.tensor([0.3]), features, None).float()


@torch.no_grad()
def sound(built: PrismAudioModel) -> Tensor:
    return built.vae.decode(torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0)))


def test_the_authors_files_are_found_where_they_are_or_in_ckpts(tmp_path: Path, original: Path):
    for inside in (tmp_path / "a", tmp_path / "b" / "ckpts"):
        shutil.copytree(original, inside)
    for folder in (tmp_path / "a", tmp_path / "b"):
        files = find_files(folder)
        assert (files.folder, files.layout) == (folder, Layout.AUTHORS)
        found = [files.model, files.vae, files.synchformer]
        assert [path.name for path in found if path and path.is_file()] == list(HUB_FILES[:3])
        assert (files.videoprism, files.t5gemma) == (None, None)


def test_encoders_beside_the_model_are_found(published: Path):
    for name in ("videoprism", "t5gemma"):
        (published / name).mkdir()
    (published / "videoprism" / "config.json").write_text("{}")
    files = find_files(published)
    assert files.videoprism == published / "videoprism"
    assert files.t5gemma is None  # an empty folder holds no model


def test_size_is_read_off_the_file_and_the_codec_beside_replaces_the_one_inside(published: Path):
    built = load_generator(find_files(published))
    model, vae = ConditionedDiT(**TRANSFORMER), OobleckVAE(**CODEC)
    load_published(published / "prismaudio.ckpt", model, vae)
    inside = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    load_published_vae(published / "vae.ckpt", vae)
    expected = tensors(PrismAudioModel(model, vae))
    assert tensors(built).keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors(built).items())
    assert not any(
        torch.equal(tensor, inside[name])
        for name, tensor in built.vae.state_dict().items()
        if name.endswith("weight")
    )
    assert (built.vae.strides, built.vae.hop) == (CODEC["strides"], 8)
    assert not any(p.requires_grad or p.is_meta for part in built for p in part.parameters())
    assert not any(part.training for part in built)


def test_without_a_codec_beside_the_one_inside_is_used(published: Path):
    with_vae = load_generator(find_files(published))
    (published / "vae.ckpt").unlink()
    without = load_generator(find_files(published))
    assert torch.equal(velocity(with_vae), velocity(without))
    assert not torch.allclose(sound(with_vae), sound(without))


def test_an_exported_file_is_unwrapped(tmp_path: Path, published: Path):
    expected = velocity(load_generator(find_files(published)))
    torch.save({"state_dict": prismaudio_state(), "global_step": 7}, published / "prismaudio.ckpt")
    assert torch.equal(velocity(load_generator(find_files(published))), expected)


def test_the_transformer_takes_the_numbers_asked_for_and_the_codec_keeps_its_own(published: Path):
    built = load_generator(find_files(published), torch.bfloat16)
    assert {t.dtype for t in built.model.state_dict().values()} == {torch.bfloat16}
    assert {t.dtype for t in built.vae.state_dict().values()} == {torch.float32}


def test_a_converted_folder_gives_the_same_tensors_and_the_same_sound(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    assert names(out) == WRITTEN
    assert names(tmp_path) == {"published", "out"}
    files = find_files(out)
    assert (files.layout, files.model, files.vae) == (
        Layout.CONVERTED,
        out / "model.safetensors",
        out / "vae.safetensors",
    )
    before, after = load_generator(find_files(published)), load_generator(files)
    expected = tensors(before)
    assert tensors(after).keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors(after).items())
    assert torch.equal(velocity(after), velocity(before))
    assert torch.equal(sound(after), sound(before))
    assert velocity(after).abs().sum() > 0


def test_synchformer_is_halved_and_still_loads(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    state = load_file(out / "synchformer.safetensors")
    assert all(name.startswith("vfeat_extractor.") for name in state)
    whole, half = Motionformer(**SYNCHFORMER), Motionformer(**SYNCHFORMER)
    load_synchformer(published / "synchformer_state_dict.pth", whole)
    load_synchformer(out / "synchformer.safetensors", half)
    frames = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(half.eval()(frames), whole.eval()(frames))


def test_the_config_says_every_size_and_where_it_came_from(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out", "bfloat16")
    config = json.loads((out / "config.json").read_text())
    assert config["model_type"] == "prismaudio"
    assert config["dtype"] == "bfloat16"
    assert config["transformer"] == TRANSFORMER
    assert config["codec"] == {name: list(v) if isinstance(v, tuple) else v for name, v in CODEC.items()}
    assert config["synchformer"] == SYNCHFORMER
    for source in config["sources"]:
        content = (published / source["name"]).read_bytes()
        assert (source["bytes"], source["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [source["name"] for source in config["sources"]] == list(HUB_FILES[:3])


def test_the_card_has_a_front_matter_all_licences_and_the_digests(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["library_name"] == "prismaudio"
    assert matter["base_model"] == "FunAudioLLM/PrismAudio"
    assert (matter["license"], matter["license_name"]) == ("other", "research-and-education-only")
    assert "video-to-audio" in matter["tags"]
    for said in ("MIT", "Apache-2.0", "no commercial use", "Stability AI", "Gemma Terms of Use", "CC-BY 4.0"):
        assert said in text
    for source in read_config(out).sources:
        assert source.sha256 in text
    assert "{" not in text


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_fewer_bits_are_off_by_rounding_alone(tmp_path: Path, published: Path, dtype: str, tolerance: float):
    out = converted(published, tmp_path / "out", dtype)
    stored = load_file(out / "model.safetensors")
    assert {str(tensor.dtype) for tensor in stored.values()} == {f"torch.{dtype}"}
    assert {str(t.dtype) for t in load_file(out / "synchformer.safetensors").values()} == {f"torch.{dtype}"}
    before, after = load_generator(find_files(published)), load_generator(find_files(out))
    for name, tensor in after.model.state_dict().items():
        torch.testing.assert_close(tensor, before.model.state_dict()[name], rtol=tolerance, atol=1e-7)
    assert 0 < (velocity(after) - velocity(before)).norm() < 8 * tolerance * velocity(before).norm()
    assert torch.equal(sound(after), sound(before))


def test_a_converted_folder_can_be_converted_again(tmp_path: Path, published: Path):
    once = converted(published, tmp_path / "once")
    twice = converted(once, tmp_path / "twice", "bfloat16")
    direct = converted(published, tmp_path / "direct", "bfloat16")
    for name in WRITTEN:
        assert (twice / name).read_bytes() == (direct / name).read_bytes()


def test_numbers_too_large_for_float16_are_refused(tmp_path: Path, published: Path):
    state = prismaudio_state()
    state[GATE][0, 0, 0] = 1e6
    torch.save(state, published / "prismaudio.ckpt")
    with pytest.raises(
        CheckpointError, match=r"dit.video_gate is not finite in float16; use --dtype bfloat16"
    ):
        converted(published, tmp_path / "out", "float16")
    assert names(tmp_path) == {"published"}
    converted(published, tmp_path / "out", "bfloat16")


@pytest.mark.parametrize("stage", ["synchformer.safetensors", "vae.safetensors", "check vae.ckpt"])
def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, published: Path, stage: str):
    class Interrupted(BaseException):
        pass

    def interrupt(name: str, share: float) -> None:
        if name == stage:
            raise Interrupted

    with pytest.raises(Interrupted):
        convert_folder(find_files(published), tmp_path / "out", "float32", force=False, progress=interrupt)
    assert names(tmp_path) == {"published"}


def test_what_exists_is_replaced_on_request_only(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    with pytest.raises(CannotWrite, match="it exists; give another name, or --force"):
        converted(published, out, "bfloat16")
    assert read_config(out).dtype == "float32"
    converted(published, out, "bfloat16", force=True)
    assert read_config(out).dtype == "bfloat16"
    assert names(tmp_path) == {"published", "out"}


def test_a_failed_replacement_leaves_the_old_one(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (published / "vae.ckpt").write_bytes(b"damaged")
    with pytest.raises(CheckpointError):
        converted(published, out, "bfloat16", force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert names(tmp_path) == {"published", "out"}


def test_nothing_but_a_converted_model_is_ever_replaced(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    (out / "videoprism").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    (home / "diary.txt").write_text("dear")
    for folder in (out, home):
        with pytest.raises(CannotWrite, match="it holds other things than a converted model"):
            converted(published, folder, force=True)
    with pytest.raises(CannotWrite, match="it is the folder to be converted"):
        converted(published, published, force=True)
    with pytest.raises(CannotWrite, match="it is a file; give the name of a folder"):
        converted(published, home / "diary.txt", force=True)
    assert (home / "diary.txt").read_text() == "dear"


def test_an_empty_folder_is_filled_and_missing_ones_are_made(tmp_path: Path, published: Path):
    (tmp_path / "empty").mkdir()
    assert names(converted(published, tmp_path / "empty")) == WRITTEN
    assert names(converted(published, tmp_path / "not" / "yet")) == WRITTEN
    with pytest.raises(CannotWrite, match="cannot write /proc/out"):
        converted(published, Path("/proc/out"))


def test_without_synchformer_the_rest_is_converted(tmp_path: Path, published: Path):
    (published / "synchformer_state_dict.pth").unlink()
    out = converted(published, tmp_path / "out")
    assert names(out) == WRITTEN - {"synchformer.safetensors"}
    assert read_config(out).synchformer is None
    assert "synchformer.safetensors" not in (out / "README.md").read_text()
    assert find_files(out).synchformer is None


def test_a_folder_of_something_else_says_what_it_holds_and_what_is_expected(tmp_path: Path):
    with pytest.raises(WeightsFolderError, match=r"no folder of weights at .*; check the path or run"):
        find_files(tmp_path / "nowhere")
    with pytest.raises(
        WeightsFolderError, match=r"holds no published model, only nothing; expected prismaudio.ckpt"
    ):
        find_files(tmp_path)
    for number in range(10):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(WeightsFolderError, match=r"only 0.txt, .*, 7.txt and 2 more; expected"):
        find_files(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5gemma"}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(WeightsFolderError, match="holds a model of type 't5gemma', not 'prismaudio'"):
        find_files(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "is not the config of a model"),
        ('{"model_type": "prismaudio"}', "config.json: dtype: Field required"),
        ('{"model_type": "prismaudio", "format": 2}', "config.json: format"),
    ],
)
def test_a_damaged_config_is_named(tmp_path: Path, published: Path, text: str, told: str):
    out = converted(published, tmp_path / "out")
    (out / "config.json").write_text(text)
    with pytest.raises(PrismAudioError, match=told):
        load_generator(find_files(out))


def test_a_converted_folder_that_lost_its_codec_is_incomplete(tmp_path: Path, published: Path):
    out = converted(published, tmp_path / "out")
    (out / "vae.safetensors").unlink()
    with pytest.raises(WeightsFolderError, match=r"lacks vae.safetensors; convert or download it again"):
        load_generator(find_files(out))


@pytest.mark.parametrize("damage", ["missing", "shape", "unsized", "cut", "object", "codec"])
def test_damaged_files_are_refused_with_what_is_wrong(tmp_path: Path, published: Path, damage: str):
    path, state = published / "prismaudio.ckpt", prismaudio_state()
    told = {
        "missing": rf"1 tensors are missing \({GATE}\)",
        "shape": r"gate is \(1, 5\) instead of \(1, 1, 64\)",
        "unsized": "its size cannot be read off it .*project_in.weight",
        "cut": "is damaged or no torch checkpoint",
        "object": r"holds a Python object besides tensors \(pathlib\.\w*Path\)",
        "codec": "vae.ckpt does not fit this model: 1 tensors are missing",
    }[damage]
    if damage == "missing":
        del state[GATE]
    elif damage == "shape":
        state[GATE] = torch.zeros(1, 5)
    elif damage == "unsized":
        del state["model.model.transformer.project_in.weight"]
    torch.save(state | {"here": Path()} if damage == "object" else state, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-2000])
    elif damage == "codec":
        codec = vae_state()
        del codec["autoencoder.decoder.layers.0.bias"]
        torch.save({"state_dict": codec}, published / "vae.ckpt")
    with pytest.raises(CheckpointError, match=told):
        load_generator(find_files(published))
    with pytest.raises(CheckpointError, match=told):
        converted(published, tmp_path / "out")
    assert names(tmp_path) == {"published"}


@pytest.mark.parametrize("damage", ["missing", "shape", "unsized", "unknown"])
def test_a_damaged_synchformer_is_refused(tmp_path: Path, published: Path, damage: str):
    state = synchformer_state()
    told = {
        "missing": r"1 tensors are missing \(vfeat_extractor.norm.bias\)",
        "shape": r"vfeat_extractor.norm.bias is \(3,\) instead of \(64,\)",
        "unsized": "is no Synchformer: its size cannot be read off it",
        "unknown": r"1 tensors are unknown \(vfeat_extractor.surprise\)",
    }[damage]
    if damage == "missing":
        del state["vfeat_extractor.norm.bias"]
    elif damage == "shape":
        state["vfeat_extractor.norm.bias"] = torch.ones(3)
    elif damage == "unsized":
        state = {"afeat_extractor.weight": torch.ones(1)}
    else:
        state["vfeat_extractor.surprise"] = torch.ones(1)
    torch.save(state, published / "synchformer_state_dict.pth")
    with pytest.raises(CheckpointError, match=told):
        converted(published, tmp_path / "out")
    assert names(tmp_path) == {"published"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_files_are_mapped_not_copied(published: Path):
    """So float32 weights are pages of the file, which the system may drop and read again."""
    built = load_generator(find_files(published))
    place = built.model.dit.project_in.weight.data_ptr()
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [
        line.split()[0].split("-") for line in lines if line.endswith(str(published / "prismaudio.ckpt"))
    ]
    assert any(int(start, 16) <= place < int(stop, 16) for start, stop in spans)


def test_what_is_told_of_the_progress_runs_to_the_end(tmp_path: Path, published: Path):
    told: dict[str, list[float]] = {}
    convert_folder(
        find_files(published),
        tmp_path / "out",
        "float32",
        force=False,
        progress=lambda stage, share: told.setdefault(stage, []).append(share),
    )
    assert set(told) == {
        *(WRITTEN - {"config.json", "README.md"}),
        *(f"check {name}" for name in HUB_FILES[:3]),
    }
    assert all(shares[-1] == 1.0 and shares == sorted(shares) for shares in told.values())


def test_videoprism_becomes_a_folder_of_the_transformers_library(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    import videoprism_golden  # which published_files has made importable

    from prismaudio.backends.pretrained.videoprism import load_folder, load_npz

    npz, out = tmp_path / "flax.npz", tmp_path / "out"
    recorded = videoprism_golden.recorded().shapes
    videoprism_golden.save(npz, videoprism_golden.arrays(recorded))
    with pytest.raises(CheckpointError, match="its pooler is not as wide"):
        convert_videoprism(npz, out, "float32", force=False, progress=silent)
    # as wide as the pooler, which in the published size it is
    shapes = {
        name: tuple(128 if n == 96 and "ff_layer" in name else n for n in shape)
        for name, shape in recorded.items()
    }
    videoprism_golden.save(npz, videoprism_golden.arrays(shapes))
    for dtype, force in (("bfloat16", False), ("float32", True)):
        convert_videoprism(npz, out, dtype, force=force, progress=silent)
        assert names(out) == {"config.json", "model.safetensors"}
    expected = load_npz(npz, torch.float32).state_dict()
    for loaded in (load_folder(out, torch.float32), transformers.VideoPrismVideoModel.from_pretrained(out)):
        state = loaded.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert names(tmp_path) == {"flax.npz", "out"}


def test_a_damaged_npz_leaves_nothing(tmp_path: Path):
    pytest.importorskip("transformers")
    (tmp_path / "flax.npz").write_bytes(b"PK damaged")
    with pytest.raises(CheckpointError, match=r"flax.npz is damaged"):
        convert_videoprism(tmp_path / "flax.npz", tmp_path / "out", "float32", force=False, progress=silent)
    assert names(tmp_path) == {"flax.npz"}
