"""PANNs, VGGish and PaSST: the published layouts, front ends against closed forms, one sound as among many.

The shapes are those of the public sources (audioset_tagging_cnn, torchvggish, PaSST); no trained weight is here.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import get_window
from torch import Tensor, nn

from prismaudio.backends.pretrained import panns, passt, vggish
from prismaudio.backends.pretrained.listening import mono
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Audio

CONVOLUTIONS = {0: (1, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512), 13: (512, 512)}


def norm(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
    vectors = {f"{prefix}.{n}": (width,) for n in ("weight", "bias", "running_mean", "running_var")}
    return vectors | {f"{prefix}.num_batches_tracked": ()}


def dense(prefix: str, outputs: int, *inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{prefix}.weight": (outputs, *inputs), f"{prefix}.bias": (outputs,)}


def published_panns() -> dict[str, tuple[int, ...]]:
    shapes = {
        "spectrogram_extractor.stft.conv_real.weight": (257, 1, 512),
        "spectrogram_extractor.stft.conv_imag.weight": (257, 1, 512),
        "logmel_extractor.melW": (257, 64),
        **norm("bn0", 64),
    }
    for number, (inputs, outputs) in enumerate(
        [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024), (1024, 2048)], start=1
    ):
        block = f"conv_block{number}"
        shapes |= {f"{block}.conv1.weight": (outputs, inputs, 3, 3)}
        shapes |= {f"{block}.conv2.weight": (outputs, outputs, 3, 3)}
        shapes |= norm(f"{block}.bn1", outputs) | norm(f"{block}.bn2", outputs)
    return shapes | dense("fc1", 2048, 2048) | dense("fc_audioset", 527, 2048)


def published_vggish() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (inputs, outputs) in CONVOLUTIONS.items():
        shapes |= dense(f"features.{number}", outputs, inputs, 3, 3)
    for number, (inputs, outputs) in {0: (12_288, 4096), 2: (4096, 4096), 4: (4096, 128)}.items():
        shapes |= dense(f"embeddings.{number}", outputs, inputs)
    return shapes


def published_passt() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, 768),
        "dist_token": (1, 1, 768),
        "new_pos_embed": (1, 2, 768),
        "freq_new_pos_embed": (1, 768, 12, 1),
        "time_new_pos_embed": (1, 768, 1, 99),
        **dense("patch_embed.proj", 768, 1, 16, 16),
    }
    for number in range(12):
        block = f"blocks.{number}"
        shapes |= dense(f"{block}.norm1", 768) | dense(f"{block}.norm2", 768)
        shapes |= dense(f"{block}.attn.qkv", 2304, 768) | dense(f"{block}.attn.proj", 768, 768)
        shapes |= dense(f"{block}.mlp.fc1", 3072, 768) | dense(f"{block}.mlp.fc2", 768, 3072)
    shapes |= dense("norm", 768) | dense("head.0", 768) | dense("head.1", 527, 768)
    return shapes | dense("head_dist", 527, 768)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_the_layouts_are_the_published_ones() -> None:
    with torch.device("meta"):
        cnn14, vgg, transformer = panns.Cnn14(), vggish.VggishNetwork(), passt.PasstNetwork()
    constants = {name: tuple(tensor.shape) for name, tensor in panns.front_end().items()}
    assert shapes_of(cnn14) | constants == published_panns()
    assert shapes_of(vgg) == published_vggish()
    assert shapes_of(transformer) == published_passt()
    assert sum(p.numel() for p in cnn14.parameters()) == 80_753_615  # as the paper's table has it


def noise(seconds: float, rate: int = 16_000, seed: int = 0) -> Tensor:
    return torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(seed)) * 0.1


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * rate)) / rate).float()


def test_the_ear_of_panns_is_the_fourier_transform_its_file_stores() -> None:
    """The published network convolves with stored matrices; ours transforms."""
    samples = noise(1.0)
    real, imaginary, mel = panns.front_end().values()
    padded = torch.nn.functional.pad(samples[None, None], (256, 256), mode="reflect")
    parts = [torch.nn.functional.conv1d(padded, weight, stride=160) for weight in (real, imaginary)]
    power = parts[0].square() + parts[1].square()  # (1, 257, K)
    expected = 10 * torch.log10((power[0].T @ mel).clamp(min=1e-10)).T
    found = panns.panns_mel(samples[None])[0]
    assert found.shape == (64, 101)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_a_full_scale_tone_has_the_power_of_its_window() -> None:
    """The sum of a Hann window of 512 is 256, so a sine's bin has (256 / 2)^2."""
    real = panns.front_end()[panns.REAL][:, 0]
    imaginary = panns.front_end()[panns.IMAGINARY][:, 0]
    wave = tone(1000.0, 16_000)[:512]
    power = (real @ wave) ** 2 + (imaginary @ wave) ** 2
    assert power.argmax() == 32
    assert power.max() == pytest.approx(128**2, rel=1e-3)


def test_the_ear_of_vggish_is_the_stated_formula() -> None:
    samples = noise(2.0)
    patches = vggish.vggish_patches(samples)
    assert patches.shape == (2, 96, 64)
    window = get_window("hann", 400)  # periodic
    frame = samples.double().numpy()[160 * 100 : 160 * 100 + 400] * window
    magnitude = np.abs(np.fft.rfft(frame, 512))
    mels = 1127 * np.log1p(np.arange(257) * 16_000 / 512 / 700)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    bands = [
        sum(
            m * max(0, min((x - a) / (b - a), (c - x) / (c - b)))
            for x, m in zip(mels, magnitude, strict=True)
        )
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    np.testing.assert_allclose(patches[1, 4].numpy(), np.log(np.array(bands) + 0.01), atol=1e-5)
    assert torch.all(vggish.vggish_filters()[:, 0] == 0)  # a constant is not heard
    assert vggish.vggish_patches(noise(0.3)).shape == (1, 96, 64)
    assert vggish.vggish_patches(noise(0.975)).shape == (1, 96, 64)


def test_the_ear_of_passt_is_the_stated_formula() -> None:
    samples = noise(1.0, 32_000)
    found = passt.passt_mel(samples[None])[0]
    assert found.shape == (128, 100)
    emphasised = (samples[1:] - 0.97 * samples[:-1]).double().numpy()
    centre = 320 * 50
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799), 112)
    power = np.abs(np.fft.rfft(emphasised[centre - 512 : centre + 512] * window)) ** 2
    mels = 1127 * np.log1p(np.arange(512) * 31.25 / 700)
    edges = np.linspace(0, 1127 * np.log1p(15_000 / 700), 130)
    band = [
        sum(
            p * max(0, min((x - a) / (b - a), (c - x) / (c - b)))
            for x, p in zip(mels, power[:512], strict=True)
        )
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    expected = (np.log(np.array(band) + 1e-5) + 4.5) / 5
    np.testing.assert_allclose(found[:, 50].numpy(), expected, atol=2e-4)
    assert passt.passt_mel(torch.zeros(1, passt.WINDOW_SAMPLES)).shape == (1, 128, 1000)


def test_longer_sounds_are_covered_to_their_end() -> None:
    ten, short, long = (passt.windows(torch.arange(n)) for n in (320_000, 1000, 700_000))
    assert [len(ten), len(short), len(long)] == [1, 1, 3]
    assert {len(window) for window in (*ten, *short, *long)} == {320_000}
    assert long[-1][-1] == 699_999
    assert long[1][0] == 320_000


def test_no_channel_is_preferred_and_no_offset_is_heard() -> None:
    left = Audio(torch.stack([noise(0.5), torch.zeros(8000)]), 16_000)
    right = Audio(left.samples.flip(0), 16_000)
    raised = Audio(left.samples + 0.2, 16_000)
    torch.testing.assert_close(mono(left, 16_000), mono(right, 16_000))
    torch.testing.assert_close(mono(raised, 16_000), mono(left, 16_000), atol=1e-6, rtol=0)
    assert mono(left, 32_000).shape == (16_000,)


def small_passt() -> passt.PasstNetwork:
    torch.manual_seed(0)
    network = passt.PasstNetwork(width=48, depth=2, heads=4)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    own, theirs = passt.Attention(48, 4), nn.MultiheadAttention(48, 4, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = own.qkv.weight.data, own.qkv.bias.data
    theirs.out_proj.load_state_dict(own.proj.state_dict())
    x = torch.randn(2, 7, 48)
    torch.testing.assert_close(own(x), theirs(x, x, x, need_weights=False)[0])


def test_passt_is_deterministic_the_same_alone_and_hears_to_the_end() -> None:
    network = small_passt().eval().requires_grad_(False)
    mel = torch.randn(3, 128, 1000, generator=torch.Generator().manual_seed(1))
    together, alone = network(mel), network(mel[1:2])
    torch.testing.assert_close(together.logits[1:2], alone.logits, atol=1e-5, rtol=1e-5)
    assert torch.equal(network(mel).logits, together.logits)
    torch.testing.assert_close(network.head(together.features), together.logits)
    late = mel.clone()
    late[:, :, 985:] += 1.0  # within the last of 99 patches
    assert not torch.allclose(network(late).features, together.features)
    short = Audio(noise(2.0, 32_000)[None].expand(2, -1), 32_000)
    found = passt.Passt(network, "x").extract(short)
    assert found["features"].shape == (48,)
    assert found["log_posteriors"].exp().sum() == pytest.approx(1)


def random_vgg() -> vggish.VggishNetwork:
    """The published size has 72 million parameters, half a second to fill."""
    with torch.device("meta"):
        network = vggish.VggishNetwork()
    network = network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.02, generator=generator)
    return network


def test_vggish_gives_a_row_for_every_patch_alone_as_together_and_flattens_channels_last() -> None:
    extractor = vggish.Vggish(random_vgg(), "x")
    found = extractor.extract(Audio(noise(3.0)[None].expand(2, -1), 16_000))["features"]
    assert found.shape == (3, 128)
    patches = vggish.vggish_patches(mono(Audio(noise(3.0)[None], 16_000), 16_000))
    torch.testing.assert_close(extractor.network(patches[1:2]).double()[0], found[1], atol=1e-6, rtol=1e-4)
    maps = extractor.network.features(patches[:1, None])
    assert maps.shape == (1, 512, 6, 4)
    flat = maps.permute(0, 2, 3, 1).reshape(1, -1)
    torch.testing.assert_close(extractor.network.embeddings(flat), extractor.network(patches[:1]))
    assert (found < 0).any()  # the last rectifier is not applied


@pytest.mark.slow
def test_the_published_panns_file_is_loaded_strictly_and_heard(tmp_path: Path) -> None:
    """A file of the published layout, 320 MB, with numbers drawn by us."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(shape, generator=generator) * 0.02 for name, shape in published_panns().items()
    }
    state |= panns.front_end()
    for name in state:
        if name.endswith("running_var"):
            state[name] = torch.ones_like(state[name])
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1)
    path = tmp_path / "Cnn14_16k.pth"
    torch.save({"iteration": 7, "model": state}, path)
    extractor = panns.Panns.from_file(path)
    sound = Audio(noise(2.0)[None].expand(2, -1), 16_000)
    first, second = extractor.extract(sound), extractor.extract(sound)
    assert first["features"].shape == (2048,)
    assert torch.equal(first["features"], second["features"])
    assert (first["features"] >= 0).all()
    assert first["log_posteriors"].exp().sum() == pytest.approx(1)
    state["logmel_extractor.melW"] = state["logmel_extractor.melW"] * 1.1
    torch.save({"model": state}, path)
    with pytest.raises(CheckpointError, match="another logmel_extractor"):
        panns.load_cnn14(path)


@pytest.mark.parametrize("load", [panns.load_cnn14, passt.load_passt, vggish.load_vggish])
def test_other_files_are_refused_in_one_line(tmp_path: Path, load: Callable[[Path], nn.Module]) -> None:
    torch.save({"model": {"fc1.weight": torch.zeros(3)}}, tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match="does not fit this model"):
        load(tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match="no weights at"):
        load(tmp_path / "absent.pth")


def test_the_summary_of_cnn14_is_peak_plus_mean_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panns, "WIDTHS", (4, 4, 4, 4, 4, 8))
    torch.manual_seed(0)
    network = panns.Cnn14().eval().requires_grad_(False)
    maps: list[Tensor] = []
    network.get_submodule("conv_block6").register_forward_hook(lambda _, __, output: maps.append(output))
    mel = torch.randn(3, 64, 200) * 10 - 40
    heard = network(mel)
    pitches = maps[0].mean(dim=3)  # (B, width, K)
    expected = torch.relu(network.fc1(pitches.max(dim=2).values + pitches.mean(dim=2)))
    torch.testing.assert_close(heard.features, expected)
    torch.testing.assert_close(network(mel[1:2]).logits, heard.logits[1:2], atol=1e-5, rtol=1e-5)


def test_pooling_of_cnn14_halves_five_times_and_its_summary_is_peak_and_mean() -> None:
    with torch.device("meta"):
        network = panns.Cnn14()
    with torch.no_grad():
        heard = network.eval()(torch.zeros(2, 64, 901, device="meta"))
    assert heard.features.shape == (2, 2048)
    assert heard.logits.shape == (2, 527)
