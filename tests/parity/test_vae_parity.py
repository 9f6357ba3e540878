"""The waveform codec against numbers of the official code."""

import copy

import torch
from model_golden import Small, close, golden

from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.weight_norm import add_weight_norm

VAE = golden("vae_small")


@torch.no_grad()
def test_the_posterior_is_the_published_one(small: Small):
    close(small.vae.encoder(VAE["in.audio"]), VAE["encoder_out"])
    posterior = small.vae.posterior(VAE["in.audio"])
    close(posterior.mean, VAE["mean"])
    close(posterior.std, VAE["std"])
    close(posterior.divergence()[None], VAE["kl"])


@torch.no_grad()
def test_a_sample_is_the_mean_and_scaled_noise(small: Small):
    drawn = small.vae.encode(VAE["in.audio"], torch.Generator().manual_seed(0))
    noise = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(0))
    close(drawn, noise * VAE["std"] + VAE["mean"])
    close(VAE["in.eps"] * small.vae.posterior(VAE["in.audio"]).std + VAE["mean"], VAE["latent_sampled"])


@torch.no_grad()
def test_the_sound_is_the_published_one(small: Small):
    close(small.vae.decode(VAE["in.z"]), VAE["decoded"])


@torch.no_grad()
def test_chunks_join_to_the_whole_sound(small: Small):
    whole = small.vae.decode(VAE["in.z"])
    for frames in (1, 5, 17, 100):
        close(torch.cat(list(small.vae.decode_pieces(VAE["in.z"], frames)), dim=-1), whole, tolerance=1e-6)


@torch.no_grad()
def test_the_form_that_is_trained_is_the_same_function(small: Small):
    trained: OobleckVAE = copy.deepcopy(small.vae)
    add_weight_norm(trained)
    close(trained.decode(VAE["in.z"]), VAE["decoded"])
