"""The published small model, with the weights its golden numbers were recorded with."""

import deterministic
import pytest
import torch
from model_golden import Small

from prismaudio.models.checkpoints import load_published
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.published import VAE_PREFIX, expected_shapes, expected_vae_shapes


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The small configuration (config_small.json), loaded from a file in the published layout."""
    with torch.device("meta"):
        model = ConditionedDiT(
            latent_channels=64, width=128, depth=3, heads=2, video_dim=48, text_dim=40, sync_dim=24
        )
        vae = OobleckVAE(2, 16, (1, 2, 4), (2, 4, 4), latent_channels=64, sample_rate=44_100)
    shapes = expected_shapes(model)
    shapes |= {f"{VAE_PREFIX}{name}": shape for name, shape in expected_vae_shapes(vae).items()}
    state = deterministic.state(shapes)
    path = tmp_path_factory.mktemp("published") / "prismaudio.ckpt"
    torch.save(state, path)
    load_published(path, model, vae)
    return Small(model.eval(), vae.eval(), state)
