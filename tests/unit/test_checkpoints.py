"""Weights files: strict, and clear about what is wrong with one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prismaudio.errors import CannotWrite
from prismaudio.models.checkpoints import (
    CheckpointError,
    load_published,
    load_published_vae,
    load_weights,
    read_config,
    save_weights,
)
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.published import VAE_PREFIX, expected_shapes, expected_vae_shapes, facts
from prismaudio.models.weight_norm import add_weight_norm

ROTARY = "model.model.transformer.rotary_pos_emb.inv_freq"
GATE = "model.model.transformer.gate"


def build() -> tuple[ConditionedDiT, OobleckVAE]:
    model = ConditionedDiT(
        latent_channels=3, width=64, depth=1, heads=2, video_dim=64, text_dim=6, sync_dim=7
    )
    return model, OobleckVAE(2, 4, (1,), (2,), latent_channels=3, sample_rate=44_100)


def vae_state(vae: OobleckVAE) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(s, generator=generator) for name, s in expected_vae_shapes(vae).items()}


@pytest.fixture
def published() -> dict[str, Tensor]:
    """A whole file in the published layout, of random numbers."""
    model, vae = build()
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(s, generator=generator) for name, s in expected_shapes(model).items()}
    return state | facts(model) | {f"{VAE_PREFIX}{name}": t for name, t in vae_state(vae).items()}


def load(path: Path) -> tuple[ConditionedDiT, OobleckVAE]:
    with torch.device("meta"):
        model, vae = build()
    load_published(path, model, vae)
    return model, vae


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_file_fills_a_model_built_of_nothing(tmp_path: Path, published, wrapped: bool):
    path = tmp_path / "prismaudio.ckpt"
    torch.save({"state_dict": published, "epoch": 3} if wrapped else published, path)
    model, vae = load(path)
    assert torch.equal(model.dit.video_gate, published[GATE])
    assert not any(p.is_meta for p in [*model.parameters(), *vae.parameters()])
    assert vae.decode(torch.zeros(1, 3, 4)).isfinite().all()


def test_safetensors_hold_the_published_layout_too(tmp_path: Path, published):
    save_file(published, tmp_path / "prismaudio.safetensors")
    model, _ = load(tmp_path / "prismaudio.safetensors")
    assert torch.equal(model.dit.video_gate, published[GATE])


def test_a_file_in_half_precision_fills_a_model_in_single(tmp_path: Path, published):
    torch.save({name: tensor.half() for name, tensor in published.items()}, tmp_path / "half.ckpt")
    model, vae = load(tmp_path / "half.ckpt")
    assert {p.dtype for p in [*model.parameters(), *vae.parameters()]} == {torch.float32}


def test_the_codec_file_is_folded_or_kept_for_training(tmp_path: Path):
    _, plain = build()
    _, trained = build()
    add_weight_norm(trained)
    state = vae_state(plain)
    content = {f"autoencoder.{name}": tensor for name, tensor in state.items()} | {"loss.x": torch.ones(1)}
    torch.save({"state_dict": content}, tmp_path / "vae.ckpt")
    for vae in (plain, trained):
        load_published_vae(tmp_path / "vae.ckpt", vae)
    latents = torch.ones(1, 3, 4)
    torch.testing.assert_close(plain.decode(latents), trained.decode(latents))
    first = trained.encoder[0].parametrizations["weight"].original1
    assert torch.equal(first, state["encoder.layers.0.weight_v"])


def test_a_file_of_another_model_names_what_differs(tmp_path: Path, published):
    del published[GATE]
    published["surprise"] = torch.zeros(1)
    published["model.model.empty_clip_feat"] = torch.zeros(1, 5)
    torch.save(published, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "other.ckpt")
    assert f"1 tensors are missing ({GATE})" in str(caught.value)
    assert "1 tensors are unknown (surprise)" in str(caught.value)
    assert "model.model.empty_clip_feat is (1, 5) instead of (1, 64)" in str(caught.value)


@pytest.mark.parametrize(
    "name", [ROTARY, "model.model.transformer.layers.0.ff_norm.beta"], ids=["rotary", "norm"]
)
def test_constants_that_changed_are_not_ignored(tmp_path: Path, published, name: str):
    published[name] = published[name] + 1
    torch.save(published, tmp_path / "changed.ckpt")
    with pytest.raises(CheckpointError, match=name):
        load(tmp_path / "changed.ckpt")


@pytest.mark.parametrize("name", ["empty.ckpt", "noise.ckpt", "cut.ckpt", "noise.safetensors"])
def test_damaged_files_are_called_damaged(tmp_path: Path, published, name: str):
    whole = tmp_path / "whole"
    torch.save(published, whole)
    contents = {"empty": b"", "noise": bytes(range(256)) * 9, "cut": whole.read_bytes()[:5000]}
    (tmp_path / name).write_bytes(contents[name.split(".")[0]])
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / name)


def test_a_missing_file_is_called_missing(tmp_path: Path):
    for suffix in ("ckpt", "safetensors"):
        with pytest.raises(CheckpointError, match="no weights at"):
            load(tmp_path / f"absent.{suffix}")
    with pytest.raises(CheckpointError, match="no weights at"):
        read_config(tmp_path / "absent.safetensors")


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path):
    torch.save([1, 2, 3], tmp_path / "list.ckpt")
    with pytest.raises(CheckpointError, match="named tensors"):
        load(tmp_path / "list.ckpt")


def test_our_own_files_bring_weights_and_config_back(tmp_path: Path):
    path, module = tmp_path / "ours.safetensors", nn.Linear(3, 2)
    save_weights(path, module, {"width": 3, "names": ["a"]})
    assert read_config(path) == {"width": 3, "names": ["a"]}
    with torch.device("meta"):
        copy = nn.Linear(3, 2)
    load_weights(path, copy)
    assert torch.equal(copy.weight, module.weight)
    assert copy.weight.requires_grad
    assert list(tmp_path.iterdir()) == [path]


def test_a_module_that_exists_keeps_its_tensors(tmp_path: Path):
    path, module = tmp_path / "ours.safetensors", nn.Linear(3, 2)
    save_weights(path, nn.Linear(3, 2), {})
    known, before = module.weight, module.weight.detach().clone()
    load_weights(path, module)
    assert module.weight is known
    assert not torch.equal(known, before)


def test_our_own_files_are_strict(tmp_path: Path):
    path = tmp_path / "ours.safetensors"
    save_weights(path, nn.Linear(3, 2), {})
    with pytest.raises(CheckpointError, match=r"weight is \(2, 3\) instead of \(2, 4\)"):
        load_weights(path, nn.Linear(4, 2))
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="no prismaudio config"):
        read_config(path)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path):
    with pytest.raises(CannotWrite, match="folder exists"):
        save_weights(tmp_path / "absent" / "x.safetensors", nn.Linear(3, 2), {})
    path = tmp_path / "ours.safetensors"
    save_weights(path, nn.Linear(3, 2), {"version": 1})
    with pytest.raises(TypeError):
        save_weights(path, nn.Linear(3, 2), {"version": object()})
    assert read_config(path) == {"version": 1}
    assert list(tmp_path.iterdir()) == [path]
