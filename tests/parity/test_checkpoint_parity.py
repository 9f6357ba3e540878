"""Names, shapes and weights of the published files; what the golden numbers rest on."""

import json

import pytest
import torch
from model_golden import GOLDEN, Small, checksums

from prismaudio.models.checkpoints import build_prismaudio
from prismaudio.models.published import VAE_PREFIX, expected_shapes, expected_vae_shapes
from prismaudio.models.weight_norm import add_weight_norm

MANIFEST = {
    name: torch.Size(shape)
    for name, shape in json.loads((GOLDEN / "published_shapes.json").read_text()).items()
}


def test_the_full_size_has_every_published_tensor_and_no_other():
    model, vae = build_prismaudio()
    codec = {f"{VAE_PREFIX}{name}": shape for name, shape in expected_vae_shapes(vae).items()}
    assert expected_shapes(model) | codec == MANIFEST


def test_the_trained_form_of_the_codec_has_the_same_names():
    _, vae = build_prismaudio()
    plain = expected_vae_shapes(vae)
    add_weight_norm(vae)
    assert expected_vae_shapes(vae) == plain


def test_the_full_size_has_518_million_parameters():
    model, _ = build_prismaudio()
    unused = sum(MANIFEST[name].numel() for name in MANIFEST if "proj_out" in name or "empty_" in name)
    assert sum(p.numel() for p in model.parameters()) + unused == 518_188_160


def test_recorded_weights_are_drawn_as_they_were(small: Small):
    recorded = checksums("small")
    assert small.state.keys() == recorded.keys()
    for name, (total, size) in recorded.items():
        tensor = small.state[name].double()
        assert tensor.sum().item() == pytest.approx(total, abs=1e-6 * size)
        assert tensor.abs().sum().item() == pytest.approx(size, rel=1e-6)
