"""Sound files in and out."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_clips import files_no_larger_than, hiss, write_greys

from prismaudio.errors import CannotWrite, UnknownChoice, UnreadableAudio
from prismaudio.media.audio import fit_length, read_audio, resample, write_audio
from prismaudio.types import Audio


def sine(seconds: float, hertz: float = 440, rate: int = 44100) -> Audio:
    t = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return Audio((0.5 * torch.sin(2 * torch.pi * hertz * t)).float().repeat(2, 1), rate)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 0.5001 / 2**15),
        ("a.wav", "PCM_24", 0.5001 / 2**23),
        ("a.wav", "FLOAT", 0),
        ("a.flac", "PCM_16", 0.5001 / 2**15),
        ("a.flac", "PCM_24", 0.5001 / 2**23),
        ("A.WAV", "PCM_16", 0.5001 / 2**15),
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, name: str, subtype: str, error: float):
    audio = hiss(0.1)
    write_audio(tmp_path / name, audio, subtype)  # type: ignore[arg-type]
    again = read_audio(tmp_path / name)
    assert again.samples.shape == audio.samples.shape
    assert (again.samples - audio.samples).abs().max() <= error
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_too_loud_is_clipped_not_wrapped(tmp_path: Path):
    write_audio(tmp_path / "a.wav", Audio(torch.tensor([[2.0, -2.0, 1.0]]), 44100))
    samples = read_audio(tmp_path / "a.wav", channels=1).samples[0]
    assert samples.tolist() == [32767 / 32768, -1.0, 32767 / 32768]


def test_dither_keeps_what_rounding_would_lose(tmp_path: Path):
    faint = Audio(torch.full((1, 44100), 0.3 / 2**15), 44100)
    write_audio(tmp_path / "plain.wav", faint)
    write_audio(tmp_path / "dithered.wav", faint, dither=np.random.default_rng(0))
    assert read_audio(tmp_path / "plain.wav").samples.abs().max() == 0
    mean = read_audio(tmp_path / "dithered.wav").samples.mean().item()
    assert mean == pytest.approx(0.3 / 2**15, rel=0.1)


def test_the_length_is_exact_to_the_sample(tmp_path: Path):
    for seconds in (0.04, 0.2, 5.28, 1 / 3):
        fitted = fit_length(hiss(1.0), seconds)
        assert fitted.samples.shape[1] == round(seconds * 44100)
        write_audio(tmp_path / "a.wav", fitted)
        assert read_audio(tmp_path / "a.wav").samples.shape[1] == round(seconds * 44100)


def test_fitting_cuts_the_end_or_appends_silence():
    audio = hiss(0.5)
    assert torch.equal(fit_length(audio, 0.25).samples, audio.samples[:, :11025])
    longer = fit_length(audio, 1.0).samples
    assert torch.equal(longer[:, :22050], audio.samples)
    assert not longer[:, 22050:].any()


@pytest.mark.parametrize(("old", "new"), [(48000, 44100), (44100, 48000), (16000, 44100), (44100, 16000)])
def test_resampling_keeps_pitch_phase_and_length(old: int, new: int):
    resampled = resample(sine(0.5, rate=old), new)
    assert resampled.samples.shape == (2, new // 2)
    assert (resampled.samples - sine(0.5, rate=new).samples)[:, 200:-200].abs().max() < 1e-3


def test_channels_are_mixed_or_doubled(tmp_path: Path):
    stereo = Audio(torch.stack([torch.full((100,), 0.5), torch.full((100,), -0.25)]), 44100)
    write_audio(tmp_path / "a.wav", stereo)
    assert read_audio(tmp_path / "a.wav", channels=1).samples.unique().tolist() == [0.125]
    write_audio(tmp_path / "mono.wav", Audio(stereo.samples[:1], 44100))
    assert read_audio(tmp_path / "mono.wav").samples.shape == (2, 100)


def test_surround_is_folded_down(tmp_path: Path):
    with av.open(tmp_path / "film.mkv", "w") as out:
        track = out.add_stream("pcm_s16le", rate=44100)
        track.layout = "5.1"
        samples = np.zeros((6, 4410), np.float32)
        samples[2] = 0.5  # the centre: equally left and right
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "5.1")
        frame.sample_rate = 44100
        out.mux([*track.encode(frame), *track.encode()])
    left, right = read_audio(tmp_path / "film.mkv").samples
    torch.testing.assert_close(left, right)
    assert left.mean().item() == pytest.approx(0.5 / 2**0.5, abs=0.01)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_the_sound_of_a_video_is_read(tmp_path: Path, ending: str):
    path = write_greys(tmp_path / f"clip.{ending}", 25, sound=sine(1.0))
    samples = read_audio(path).samples
    assert samples.shape == (2, 44100)
    assert (samples - sine(1.0).samples)[:, 2000:-2000].abs().max() < 0.05


def test_a_sound_that_starts_after_the_picture_is_read_in_its_place(tmp_path: Path):
    path = tmp_path / "late.mkv"
    with av.open(path, "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        track = out.add_stream("pcm_s16le", rate=44100)
        for i in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        sound = av.AudioFrame.from_ndarray(np.full((2, 4410), 0.5, np.float32), "fltp", "stereo")
        sound.sample_rate, sound.pts = 44100, 22050
        out.mux([*track.encode(sound), *track.encode()])
    samples = read_audio(path).samples[0]
    assert len(samples) == pytest.approx(22050 + 4410, abs=45)
    assert samples.nonzero().min().item() == pytest.approx(22050, abs=45)


def test_a_truncated_sound_gives_what_is_there(tmp_path: Path):
    whole = write_greys(tmp_path / "whole.mkv", 25, sound=hiss(1.0))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 0.2 < read_audio(cut).duration < 0.8


def test_what_has_no_sound_is_named(tmp_path: Path):
    with pytest.raises(UnreadableAudio, match="it has no sound, only video; give a file with sound"):
        read_audio(write_greys(tmp_path / "silent.mp4", 3))
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(UnreadableAudio, match="not a media file"):
        read_audio(tmp_path / "text.wav")
    with pytest.raises(UnreadableAudio, match="no such file"):
        read_audio(tmp_path / "nothing.wav")


def test_unknown_endings_and_formats_are_refused(tmp_path: Path):
    with pytest.raises(UnknownChoice, match=r"'\.mp3'; choose one of: \.wav, \.flac"):
        write_audio(tmp_path / "a.mp3", hiss(0.1))
    with pytest.raises(UnknownChoice, match="choose one of: PCM_16, PCM_24"):
        write_audio(tmp_path / "a.flac", hiss(0.1), "FLOAT")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    write_audio(tmp_path / "a.wav", sine(0.01))
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(CannotWrite, match="free some space"), files_no_larger_than(1000):
        write_audio(tmp_path / "a.wav", hiss(1.0))
    assert (tmp_path / "a.wav").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(path: Path, content: object) -> None:
        path.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_audio(tmp_path / "a.wav", hiss(0.1))
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_is_named(tmp_path: Path):
    with pytest.raises(CannotWrite, match=r"create the folder .*nowhere first"):
        write_audio(tmp_path / "nowhere" / "a.wav", hiss(0.1))
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(CannotWrite, match="it is a directory; give a file name"):
        write_audio(tmp_path / "folder.wav", hiss(0.1))
