"""Sound files in and out; the sound of a video comes back aligned with its picture."""

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
import torch
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from einops import rearrange, reduce, repeat
from numpy.typing import NDArray

from prismaudio.errors import UnknownChoice, UnreadableAudio
from prismaudio.media.decode import decoded, packets
from prismaudio.media.files import open_media, replacing
from prismaudio.types import Audio

Samples = NDArray[np.float32]  # (channels, n)
Subtype = Literal["PCM_16", "PCM_24", "FLOAT"]

SUBTYPES: dict[str, list[Subtype]] = {".wav": ["PCM_16", "PCM_24", "FLOAT"], ".flac": ["PCM_16", "PCM_24"]}
GAP = 0.05  # seconds between packets that mean silence; less is jitter
LONGEST_GAP = 3600.0  # more is a damaged timestamp
TICK = 0.002  # seconds; .mkv and .webm keep time in whole milliseconds


def read_audio(path: Path | str, sample_rate: int | None = 44100, channels: int = 2) -> Audio:
    """The whole sound of an audio or video file; sample 0 of a video's sound belongs to its first picture.

    With `sample_rate` None at the file's own rate.
    """
    path = Path(path)
    samples, rate = _read_plain(path) or _read_any(path)
    audio = Audio(torch.from_numpy(_mix(samples, channels)), rate)
    return audio if sample_rate is None else resample(audio, sample_rate)


def write_audio(
    path: Path | str,
    audio: Audio,
    subtype: Subtype = "PCM_16",
    *,
    dither: np.random.Generator | None = None,
) -> None:
    """Write a .wav or .flac; `dither` adds triangular noise of one quantisation step before rounding."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUBTYPES:
        raise UnknownChoice("sound file ending", path.suffix, list(SUBTYPES))
    if subtype not in SUBTYPES[suffix]:
        raise UnknownChoice(f"{suffix} sample format", subtype, SUBTYPES[suffix])
    samples = rearrange(audio.samples.detach().cpu().numpy(), "c n -> n c")
    if subtype != "FLOAT":
        samples = _quantise(samples, bits=int(subtype.removeprefix("PCM_")), dither=dither)
    encoded = BytesIO()
    soundfile.write(encoded, samples, audio.sample_rate, subtype, format=suffix.removeprefix(".").upper())
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def resample(audio: Audio, sample_rate: int) -> Audio:
    """The same sound at another rate, round(n * ratio) samples long."""
    if audio.sample_rate == sample_rate:
        return audio
    samples = rearrange(audio.samples.detach().cpu().numpy(), "c n -> n c")
    resampled = soxr.resample(samples, audio.sample_rate, sample_rate, quality="HQ")
    return Audio(torch.from_numpy(np.ascontiguousarray(resampled.T)), sample_rate)


def fit_length(audio: Audio, seconds: float) -> Audio:
    """Exactly round(seconds * rate) samples: the end is cut, or silence appended."""
    missing = round(seconds * audio.sample_rate) - audio.samples.shape[-1]
    return Audio(torch.nn.functional.pad(audio.samples, (0, missing)), audio.sample_rate)


def _quantise(
    samples: Samples, bits: int, dither: np.random.Generator | None
) -> NDArray[np.int16] | NDArray[np.int32]:
    """Round to `bits`, left-aligned in the integers soundfile expects."""
    steps = 2.0 ** (bits - 1)
    scaled = samples.astype(np.float64) * steps
    if dither is not None:
        scaled += dither.triangular(-1, 0, 1, size=scaled.shape)
    rounded = np.rint(scaled).clip(-steps, steps - 1)
    return rounded.astype(np.int16) if bits == 16 else rounded.astype(np.int32) << (32 - bits)


def _mix(samples: Samples, channels: int) -> Samples:
    if len(samples) == channels:
        return samples
    mono = reduce(samples, "c n -> n", "mean")
    return repeat(mono, "n -> c n", c=channels)


def _read_plain(path: Path) -> tuple[Samples, int] | None:
    """Mono and stereo sound files, as libsndfile reads them; None for everything else."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError):  # TypeError: a headerless .raw file
        return None
    if samples.shape[1] > 2 or len(samples) == 0:
        return None
    return np.ascontiguousarray(samples.T), rate


def _read_any(path: Path) -> tuple[Samples, int]:
    """The first audio track of whatever ffmpeg understands, surround folded down to stereo."""
    with open_media(path, UnreadableAudio) as container:
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise UnreadableAudio(path, f"it has no sound, only {kinds}", "give a file with sound")
        stream = container.streams.audio[0]
        if stream.codec_context is None or stream.codec_context.sample_rate <= 0:
            raise UnreadableAudio(path, "its sound is in an unknown format", "re-encode it")
        rate = stream.codec_context.sample_rate
        zero = _picture_start(container)
        pieces: list[Samples] = []
        length = 0
        for moment, piece in _decode(container, stream):
            zero = moment if zero is None else zero
            ahead = round((moment - zero) * rate) - length
            if (GAP if pieces else TICK) * rate < abs(ahead) < LONGEST_GAP * rate:
                piece = np.pad(piece[:, max(0, -ahead) :], ((0, 0), (max(0, ahead), 0)))
            pieces.append(piece)
            length += piece.shape[1]
        end = _noted_end(container, stream)
    if length == 0:
        problem = f"nothing of its {stream.codec_context.name} sound could be decoded"
        raise UnreadableAudio(path, problem, "re-encode or download it again")
    samples = np.concatenate(pieces, axis=1)
    if end is not None and zero is not None:
        samples = samples[:, : max(1, round((end - zero) * rate))]
    return samples, rate


def _picture_start(container: InputContainer) -> Fraction | None:
    """When the first picture is shown, if there are pictures."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.time_base is not None:
            return (stream.start_time or 0) * stream.time_base
    return None


def _noted_end(container: InputContainer, stream: AudioStream) -> Fraction | None:
    """Where the sound ends according to .mp4 and .mov, whose last block is usually padded."""
    if "mp4" not in container.format.name or stream.duration is None or stream.time_base is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def _decode(container: InputContainer, stream: AudioStream) -> Iterator[tuple[Fraction, Samples]]:
    """Everything that decodes, as (timestamp, float samples of at most two channels)."""
    rate = stream.codec_context.sample_rate
    converters: dict[str, AudioResampler] = {}  # a broadcast may change its format on the way
    now = Fraction(0)
    for frame in (frame for packet in packets(container, stream) for frame in decoded(stream, packet) or []):
        layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
        kind = f"{frame.format.name} {frame.layout.name} {frame.sample_rate}"
        if kind not in converters:
            converters[kind] = AudioResampler(format="fltp", layout=layout, rate=rate)
        if frame.pts is not None and frame.time_base is not None:
            now = frame.pts * frame.time_base
        for converted in converters[kind].resample(frame):
            samples = converted.to_ndarray().astype(np.float32, copy=False)
            yield now, samples
            now += Fraction(samples.shape[1], rate)
