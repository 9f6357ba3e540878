"""PANNs' Cnn14 at 16 kHz, the ear behind FD_PANNs, KL_PANNs and IS_PANNs, as av-benchmark feeds it (spec rewards.md 2).

Kong et al. 2020, "PANNs"; the file is Cnn14_16k_mAP=0.438.pth, whose tensors lie under "model".

Shapes: B batch, N samples, F bins, M mel bands, K frames of 10 ms, C = 527 classes of AudioSet.
"""

import math
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.listening import Heard, mono
from prismaudio.models.checkpoints import CheckpointError, check_fit, fill, read_tensors
from prismaudio.models.mel_filters import slaney_filters
from prismaudio.types import Audio

RATE = 16_000
SIZE, HOP, BANDS = 512, 160, 64
LOW, HIGH = 50.0, 8000.0  # Hz
FLOOR = 1e-10  # of band power
SHORTEST = 32 * HOP  # samples: one frame after five halvings
CLASSES = 527
WIDTHS = (64, 128, 256, 512, 1024, 2048)
REAL, IMAGINARY = (f"spectrogram_extractor.stft.conv_{part}.weight" for part in ("real", "imag"))
MEL = "logmel_extractor.melW"


class Cnn14(nn.Module):
    """Six pairs of convolutions over a log-mel spectrogram; modules are named as in the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(BANDS)
        for number, (inputs, outputs) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), start=1):
            self.add_module(f"conv_block{number}", ConvolutionPair(inputs, outputs))
        self.fc1 = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.fc_audioset = nn.Linear(WIDTHS[-1], CLASSES)

    def forward(self, mel: Tensor) -> Heard:
        """mel: (B, M, K) dB -> features (B, 2048) and logits (B, C)"""
        x = self.bn0(mel[..., None]).permute(0, 3, 2, 1)  # (B, 1, K, M)
        for number in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < len(WIDTHS):
                x = F.avg_pool2d(x, 2)
        over_time = x.mean(dim=3)
        features = F.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))
        return Heard(features, self.fc_audioset(features))


class ConvolutionPair(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs, K, M) -> (B, outputs, K, M)"""
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Panns:
    """A `SoundExtractor`."""

    def __init__(self, network: Cnn14, digest: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.identity = Identity("PANNs", "1", digest)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """From the published file, strictly."""
        return cls(load_cnn14(path), sha256(path))

    @torch.no_grad()
    def extract(self, audio: Audio) -> Tensors:
        """-> features (2048,), log_posteriors (527,); shorter than 0.32 s is filled up with silence"""
        heard = self.network(panns_mel(mono(audio, RATE)[None]))
        return {
            "features": heard.features[0].double(),
            "log_posteriors": heard.logits[0].double().log_softmax(dim=0),
        }


def panns_mel(samples: Tensor) -> Tensor:
    """samples: (B, N) at 16 kHz -> (B, M, K) dB, K = N // 160 + 1"""
    samples = F.pad(samples, (0, max(0, SHORTEST - samples.shape[-1])))
    window = torch.hann_window(SIZE, device=samples.device)
    spectrum = torch.stft(samples, SIZE, HOP, window=window, pad_mode="reflect", return_complex=True)
    bands = slaney_filters(BANDS, SIZE // 2 + 1, RATE, LOW, HIGH).to(samples) @ spectrum.abs().square()
    return 10 * torch.log10(bands.clamp(min=FLOOR))


def load_cnn14(path: Path) -> Cnn14:
    """The network of the published file; its STFT and mel matrices must be those that `panns_mel` computes."""
    state = read_tensors(path)
    with torch.device("meta"):
        network = Cnn14()
    constants = front_end()
    check_fit(state, expected_shapes(network), path)
    for name, value in constants.items():
        if (state[name].float() - value).abs().max() > 1e-4 * value.abs().max():
            raise CheckpointError(f"{path} hears with another {name}; give the 16 kHz file of PANNs' Cnn14")
    fill(network, {name: state[name] for name in network.state_dict()})
    return network


def expected_shapes(network: Cnn14) -> dict[str, torch.Size]:
    """Of every tensor in the published file."""
    return {name: tensor.shape for name, tensor in (*network.state_dict().items(), *front_end().items())}


def front_end() -> dict[str, Tensor]:
    """The constants that the published file stores as weights: a windowed Fourier transform, and mel bands."""
    angle = 2 * math.pi * torch.outer(torch.arange(SIZE // 2 + 1), torch.arange(SIZE)).double() / SIZE
    window = torch.hann_window(SIZE, dtype=torch.float64)
    return {
        REAL: (window * angle.cos()).float()[:, None],
        IMAGINARY: (-window * angle.sin()).float()[:, None],
        MEL: slaney_filters(BANDS, SIZE // 2 + 1, RATE, LOW, HIGH).T,
    }
