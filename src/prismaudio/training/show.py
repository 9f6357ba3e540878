"""Sound and pictures of fixed held-out examples in TensorBoard, so that progress can be heard and seen.

Shapes: N samples, F frequencies, K frames.
"""

import io

import soundfile
import torch
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from prismaudio.models.spectral import stft
from prismaudio.stage.corpus import SAMPLE_RATE


def show(writer: SummaryWriter, name: str, recorded: Tensor, decoded: Tensor, step: int) -> None:
    """recorded, decoded: (2, N), as stereo sound and as one picture: recorded left, decoded right, ears stacked."""
    picture = torch.cat([loudness_picture(recorded), loudness_picture(decoded)], dim=1)
    writer.add_image(f"{name}/spectrogram", picture[None].cpu(), step)
    for kind, sound in (("recorded", recorded), ("decoded", decoded)):
        add_stereo(writer, f"{name}/{kind}", sound, step)


def loudness_picture(audio: Tensor) -> Tensor:
    """audio: (2, N) -> (2F, K), -100 to 0 dB as 0 to 1, low frequencies at the bottom of each half."""
    decibels = 20 * stft(audio, 1024, 256).abs().clamp(min=1e-5).log10()
    return (1 + decibels / 100).clamp(0, 1).flip(1).flatten(0, 1)


def add_stereo(writer: SummaryWriter, name: str, audio: Tensor, step: int) -> None:
    """audio: (2, N). TensorBoard plays stereo, but SummaryWriter.add_audio writes mono only."""
    samples = audio.clamp(-1, 1).T.float().cpu().numpy()
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    sound = Summary.Audio(
        sample_rate=SAMPLE_RATE,
        num_channels=2,
        length_frames=len(samples),
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )
    assert writer.file_writer is not None  # until it is closed
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, audio=sound)]), step)
