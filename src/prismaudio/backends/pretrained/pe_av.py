"""Do sound and picture belong together? PE-AV, Meta's perception encoder, which stands where tables have ImageBind.

It is another network: its cosine is called PEAV and never IB. Its published weights see through timm.
Shapes: B sounds, N samples, T pictures, D width of the shared space.
"""

import importlib.util
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.folder import FILES, WEIGHTS, read_config, read_json, ready
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.errors import PrismAudioError
from prismaudio.media.preprocess import View
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.models.resampling import resample
from prismaudio.types import Frames

if TYPE_CHECKING:
    from transformers import PeAudioVideoModel

HUB_ID = "facebook/pe-av-large"
PICTURES = "video_preprocessor_config.json"
RATE = 48_000  # Hz
HOP = 1920  # samples of a step of its codec
FPS = 25.0  # of which the pictures are taken


class NoTimm(PrismAudioError):
    """The published eyes of PE-AV are timm's."""


class Looks(NamedTuple):
    """How it wants to see a film."""

    view: View
    pictures: int | None  # spread evenly from the first to the last; None: all


class PeavJudge:
    """Cosine of a sound and a film, -1 to 1."""

    name = "pe-av"

    def __init__(self, network: "PeAudioVideoModel", looks: Looks, digest: str = "") -> None:
        self.network = network
        self.view, self.pictures = looks
        spread = "all" if self.pictures is None else self.pictures
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": f"mono 48 kHz, sinc of 6 zeros; {spread} pictures of {FPS:g} fps, "
            f"bilinear {self.view.width} x {self.view.height}",
        }

    @classmethod
    def from_pretrained(cls, source: str | Path = HUB_ID, device: torch.device | str = "cpu") -> Self:
        """source: a folder in transformers format with its video_preprocessor_config.json, or a hub repository"""
        folder = resolve(source, (*FILES[:2], PICTURES), FILES[2:])
        network = load(folder)
        torch.nn.Module.to(network, device)
        return cls(network, read_looks(folder), sha256(folder / WEIGHTS))

    def score(self, sounds: Sounds, frames: Frames) -> Tensor:
        """Many sounds for one film seen through `view` -> (B,) cosine"""
        return self.hear(sounds) @ self.watch(frames)

    @torch.no_grad()
    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, D) of length 1"""
        assert not self.network.training
        audio = resample(sounds.mono.float().to(self.network.device), sounds.sample_rate, RATE)
        audio = F.pad(audio, (0, -audio.shape[-1] % HOP), mode="reflect")
        heard = self.network.audio_model.audio_encoder(input_values=rearrange(audio, "b n -> b 1 n"))
        return F.normalize(self.network.audio_model.audio_head(heard.pooler_output), dim=-1)

    @torch.no_grad()
    def watch(self, frames: Frames) -> Tensor:
        """-> (D,) of length 1"""
        images = torch.from_numpy(frames.images[spread(len(frames.images), self.pictures)])
        pixels = rearrange(images, "t h w c -> 1 t c h w").to(self.network.device).float()
        # transformers 5.24 has a `get_video_embeds`, and cannot call it
        seen = self.network.video_model.video_encoder(pixel_values_videos=(pixels / 255 - 0.5) / 0.5)
        return F.normalize(self.network.video_model.video_head(seen.pooler_output)[0], dim=-1)


def spread(total: int, count: int | None) -> Any:
    """Which of `total` pictures are seen, as published: evenly from the first to the last, rounded down."""
    if count is None:
        return np.arange(total)
    return np.array([i * (total - 1) // max(1, count - 1) for i in range(count)])


def read_looks(folder: Path) -> Looks:
    settings = read_json(folder / PICTURES)
    try:
        height, width, count = settings["size"]["height"], settings["size"]["width"], settings["num_frames"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder / PICTURES} does not say how pictures are seen ({error!r}); get the file again"
        ) from error
    return Looks(View(FPS, width, height, fit="stretch"), count)


def load(folder: Path) -> "PeAudioVideoModel":
    """Every tensor must find its place."""
    read_config(folder, ("pe_audio_video",))
    if not has_timm():
        raise NoTimm(
            "PE-AV sees through timm, which is not installed; pip install timm (it brings torchvision)"
        )
    with extra_for("PE-AV"):
        from transformers import PeAudioVideoModel
    loader: Any = (
        PeAudioVideoModel.from_pretrained
    )  # which gives a pair if asked what it found, untold by its types
    try:
        with redirect_stdout(StringIO()):  # transformers prints what its own documentation lacks
            network, found = loader(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{folder} cannot be loaded ({reason}); get {HUB_ID} again") from error
    unfit = sorted(str(name) for kind in ("missing_keys", "unexpected_keys") for name in found[kind])
    if unfit:
        raise CheckpointError(
            f"{folder} is not PE-AV: {len(unfit)} tensors do not fit, such as {unfit[0]}; get {HUB_ID} again"
        )
    return ready(network, torch.float32)


def has_timm() -> bool:
    return importlib.util.find_spec("timm") is not None
