"""The embedded codec's signal processing: spectra that invert, direction that survives."""

import numpy as np
import pytest
import torch

from prismaudio.models.mel_codec import FRAMES_PER_LATENT, SHARED, MelStereoCodec, cross_fade
from prismaudio.models.spectral import griffin_lim, istft, log_mel, mel_filters, power_from_log_mel, stft
from prismaudio.models.stereo import StereoImage, analyse, spread
from prismaudio.stage.mix import pan

RATE = 44100


@pytest.fixture(scope="module")
def codec() -> MelStereoCodec:
    torch.manual_seed(0)
    return MelStereoCodec(width=32, encoder_blocks=1, decoder_blocks=1, phase_rounds=4).eval()


def noise(seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def test_stft_inverts() -> None:
    sound = noise()
    torch.testing.assert_close(
        istft(stft(sound, 2048, 512), 2048, 512, sound.shape[1]), sound, atol=1e-5, rtol=0
    )


def test_a_full_scale_sine_has_magnitude_one() -> None:
    t = torch.arange(RATE) / RATE
    assert float(stft(torch.sin(2 * torch.pi * 430.664 * 5 * t), 2048, 512).abs().max()) == pytest.approx(
        1, abs=0.01
    )


def test_no_mel_band_is_empty_and_each_is_a_mean() -> None:
    filters = mel_filters(128, 2048, RATE)
    torch.testing.assert_close(filters.sum(dim=1), torch.ones(128))
    assert float(filters.max(dim=1).values.min()) > 0


def test_power_recovered_from_a_mel_has_that_mel() -> None:
    filters = mel_filters(128, 2048, RATE)
    mel = log_mel(stft(noise(), 2048, 512).abs() ** 2, filters)
    again = log_mel(power_from_log_mel(mel, filters, rounds=30), filters)
    assert float((again - mel).abs().mean()) < 0.05


def test_griffin_lim_grows_more_consistent_with_rounds() -> None:
    magnitude = stft(noise(), 2048, 512).abs()

    def inconsistency(rounds: int) -> float:
        spectrum = griffin_lim(magnitude, 2048, 512, rounds)
        again = stft(istft(spectrum, 2048, 512, (magnitude.shape[-1] - 1) * 512), 2048, 512)
        return float((again.abs() - magnitude).norm() / magnitude.norm())

    assert inconsistency(30) < 0.7 * inconsistency(1)


@pytest.mark.parametrize("azimuth", [-0.9, -0.4, 0.0, 0.25, 1.0])
def test_direction_is_measured_as_it_was_panned(codec: MelStereoCodec, azimuth: float) -> None:
    stereo = torch.from_numpy(pan(noise()[0].numpy(), np.array([azimuth], dtype=np.float32)))[None]
    image = analyse(codec.spectrum(stereo), RATE, FRAMES_PER_LATENT)
    middle = slice(4, -4)
    assert float(image.delay[..., middle].median()) == pytest.approx(azimuth, abs=0.04)
    assert float(image.level[..., middle].median()) == pytest.approx(azimuth, abs=0.04)
    assert float(image.width[..., middle].mean()) < 0.1


def test_unrelated_ears_are_wide(codec: MelStereoCodec) -> None:
    stereo = torch.stack([noise(seed=1)[0], noise(seed=2)[0]])[None]
    image = analyse(codec.spectrum(stereo), RATE, FRAMES_PER_LATENT)
    assert float(image.width.mean()) > 0.6


def test_silence_has_no_direction(codec: MelStereoCodec) -> None:
    image = analyse(codec.spectrum(torch.zeros(1, 2, RATE)), RATE, FRAMES_PER_LATENT)
    assert float(image.stacked().abs().max()) == 0


@pytest.mark.parametrize("azimuth", [-0.8, 0.5])
def test_spreading_undoes_analysis(codec: MelStereoCodec, azimuth: float) -> None:
    spectrum = stft(noise(), 2048, 512)[..., :84]
    frames = spectrum.shape[-1] // FRAMES_PER_LATENT
    image = StereoImage(
        torch.full((1, 8, frames), azimuth), torch.full((1, 1, frames), azimuth), torch.zeros(1, 8, frames)
    )
    measured = analyse(spread(spectrum, image, RATE), RATE, FRAMES_PER_LATENT)
    assert float(measured.delay[..., 2:-2].median()) == pytest.approx(azimuth, abs=0.03)
    assert float(measured.level[..., 2:-2].median()) == pytest.approx(azimuth, abs=0.03)


@pytest.mark.parametrize("samples", [1, 2047, 2048, 30_000])
def test_lengths_are_whole_latent_frames(codec: MelStereoCodec, samples: int) -> None:
    with torch.no_grad():
        latents = codec.encode(0.1 * torch.randn(2, 2, samples))
        assert latents.shape == (2, codec.latent_channels, -(-samples // codec.hop))
        sound = codec.decode(latents)
    assert sound.shape == (2, 2, latents.shape[-1] * codec.hop)
    assert torch.isfinite(sound).all()


def test_encoding_samples_only_with_a_generator(codec: MelStereoCodec) -> None:
    sound = noise().expand(2, -1)[None]
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(sound), codec.encode(sound))
        drawn = codec.encode(sound, torch.Generator().manual_seed(0))
    assert not torch.allclose(drawn, codec.encode(sound))


def test_normalised_latents_have_the_statistics_that_were_measured(codec: MelStereoCodec) -> None:
    raw = torch.randn(1, codec.latent_channels, 5)
    learned, image = codec.split(codec.normalise(raw.clone()))
    torch.testing.assert_close(learned, raw[:, : codec.mel_channels], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        image.level, raw[:, codec.mel_channels : codec.mel_channels + 8], atol=1e-5, rtol=1e-5
    )


class Repeating(MelStereoCodec):
    """Plays every latent frame for as long as it lasts, so that pieces are parts of the whole to the bit."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents[:, :1].repeat_interleave(self.hop, dim=-1).expand(-1, 2, -1)


@pytest.mark.parametrize("frames", [1, 40, 100, 101, 132, 500])
@pytest.mark.parametrize("size", [SHARED, 100])
def test_pieces_that_agree_join_to_the_whole(frames: int, size: int) -> None:
    codec = Repeating(width=32, encoder_blocks=1, decoder_blocks=1)
    latents = torch.randn(1, codec.latent_channels, frames)
    pieces = list(codec.decode_pieces(latents, size))
    torch.testing.assert_close(torch.cat(pieces, dim=-1), codec.decode(latents))
    assert max(piece.shape[-1] for piece in pieces) <= max(size, 2 * SHARED) * codec.hop


def test_a_cross_fade_keeps_what_agrees_and_the_power_of_what_does_not() -> None:
    a, b = torch.randn(1, 2, 100_000), torch.randn(1, 2, 100_000)
    torch.testing.assert_close(cross_fade(a, a), a, atol=1e-3, rtol=0)
    middle = cross_fade(a, b)[..., 40_000:60_000]
    assert middle.std().item() == pytest.approx(1, abs=0.02)


def test_a_cross_fade_of_silence_is_silent() -> None:
    assert not cross_fade(torch.zeros(1, 2, 10), torch.zeros(1, 2, 10)).any()
