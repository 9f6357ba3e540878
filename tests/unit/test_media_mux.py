"""A new sound under an untouched picture."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_clips import files_no_larger_than, grey, hiss, noise, packets, write_clip, write_greys

from prismaudio.errors import CannotWrite, UnknownChoice, UnreadableVideo
from prismaudio.media import mux as mux_module
from prismaudio.media.audio import read_audio
from prismaudio.media.mux import mux
from prismaudio.media.video import probe
from prismaudio.types import Audio


def lateness(heard: Audio, sent: Audio) -> int:
    """Samples by which one sound trails the other."""
    n = min(heard.samples.shape[1], sent.samples.shape[1])
    spectra = [torch.fft.rfft(audio.samples[0, :n], 2 * n) for audio in (heard, sent)]
    peak = int(torch.fft.irfft(spectra[0] * spectra[1].conj()).argmax())
    return peak if peak < n else peak - 2 * n


def picture_times(path: Path) -> list[float]:
    with av.open(path) as container:
        return [frame.time for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("source", "target", "codec"),
    [
        ("h264.mp4", "mp4", None),
        ("h264.mp4", "mov", None),
        ("h264.mp4", "mov", "pcm"),
        ("h264.mp4", "m4v", None),
        ("h264.mp4", "mkv", None),
        ("h264.mp4", "mkv", "flac"),
        ("h264.mkv", "mp4", None),
        ("vp9.webm", "webm", None),
        ("vp9.webm", "mp4", "opus"),
        ("mpeg4.avi", "avi", None),
        ("mpeg4.avi", "mp4", None),
    ],
)
def test_picture_is_copied_and_sound_has_its_exact_place_and_length(
    tmp_path: Path, source: str, target: str, codec: str | None
):
    encoder = {"h264": "libx264", "vp9": "libvpx-vp9", "mpeg4": "mpeg4"}[source.split(".")[0]]
    clip = write_clip(
        tmp_path / source, noise(11), codec=encoder, sound=None if "webm" in source else hiss(0.3)
    )
    out = tmp_path / f"out.{target}"
    sound = hiss(probe(clip).duration)
    mux(clip, sound, out, codec=codec)

    assert packets(out) == packets(clip)
    assert picture_times(out) == pytest.approx(picture_times(clip), abs=1e-3)
    with av.open(out) as container:
        assert len(container.streams.audio) == 1
    heard = read_audio(out)
    assert heard.samples.shape == sound.samples.shape
    assert lateness(heard, sound) == 0


@pytest.mark.parametrize(("pictures", "seconds"), [(1, 0.04), (5, 0.2)])
def test_very_short_clips(tmp_path: Path, pictures: int, seconds: float):
    clip = write_greys(tmp_path / "clip.mp4", pictures)
    mux(clip, hiss(3.0), tmp_path / "out.mp4")
    assert read_audio(tmp_path / "out.mp4").samples.shape[1] == round(seconds * 44100)


def test_aac_blocks_are_at_most_a_block_too_long_for_decoders_that_ignore_the_noted_length(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 11)
    mux(clip, hiss(1.0), tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        track = container.streams.audio[0]
        assert track.duration * track.time_base == Fraction(44, 100)
        assert 0 <= sum(frame.samples for frame in container.decode(track)) - 0.44 * 44100 < 1024


@pytest.mark.parametrize("target", ["mp4", "mkv", "mov"])
def test_sound_begins_with_the_first_picture_even_if_that_is_late(tmp_path: Path, target: str):
    clip = write_greys(tmp_path / "late.mp4", 10, milliseconds=[500 + 40 * i for i in range(10)])
    assert float(probe(clip).start) == 0.5
    out = tmp_path / f"out.{target}"
    mux(clip, hiss(0.4), out)
    assert picture_times(out)[0] == pytest.approx(0.5, abs=1e-3)
    assert lateness(read_audio(out), hiss(0.4)) == 0


def test_rotation_size_tags_and_chapters_are_kept(tmp_path: Path):
    plain = write_clip(tmp_path / "plain.mp4", [grey(100, 64, 48)] * 10, rotation=(-90, False))
    clip = tmp_path / "tagged.mp4"
    with av.open(plain) as source, av.open(clip, "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0], opaque=True)
        target.metadata.update({"title": "A tree", "comment": "swaying"})
        target.set_chapters(
            [{"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "wind"}}]
        )
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    for ending in ("mp4", "mov", "mkv"):
        out = tmp_path / f"out.{ending}"
        mux(clip, hiss(0.4), out)
        info = probe(out)
        assert (info.width, info.height, info.rotation) == (48, 64, 90)
        with av.open(out) as container:
            tags = {key.lower(): text for key, text in container.metadata.items()}
            assert (tags["title"], tags["comment"]) == ("A tree", "swaying")
            assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["wind"]


def test_the_original_sound_is_kept_as_second_track_on_request(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 20, sound=hiss(0.8))
    mux(clip, Audio(torch.zeros(2, 35280), 44100), tmp_path / "out.mp4", keep_original=True)
    with av.open(tmp_path / "out.mp4") as container:
        assert len(container.streams.audio) == 2
        assert container.streams.best("audio") == container.streams.audio[0]
        kept = [bytes(packet) for packet in container.demux(audio=1) if packet.size]
    assert kept == packets(clip, "audio")
    assert not read_audio(tmp_path / "out.mp4").samples.any()


def test_subtitles_are_kept(tmp_path: Path):
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nrustling\n")
    plain = write_greys(tmp_path / "plain.mkv", 10)
    clip = tmp_path / "clip.mkv"
    with av.open(plain) as source, av.open(tmp_path / "words.srt") as words, av.open(clip, "w") as target:
        copies = {
            stream: target.add_stream_from_template(stream) for stream in (*source.streams, *words.streams)
        }
        for packet in [*source.demux(), *words.demux()]:
            if packet.size:
                packet.stream = copies[packet.stream]
                target.mux(packet)
    mux(clip, hiss(0.4), tmp_path / "out.mkv")
    assert packets(tmp_path / "out.mkv", "subtitles") == [b"rustling"]
    mux(clip, hiss(0.4), tmp_path / "out.mov")  # cannot hold them: the rest is written all the same
    assert packets(tmp_path / "out.mov") == packets(clip)


def test_mono_and_other_rates(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 10)
    mux(clip, Audio(hiss(0.4, 48000).samples[:1], 48000), tmp_path / "out.mp4", bitrate=96_000)
    with av.open(tmp_path / "out.mp4") as container:
        track = container.streams.audio[0]
        assert (track.sample_rate, track.layout.name) == (48000, "mono")


def test_variable_rate_is_kept_and_its_whole_length_filled(tmp_path: Path):
    clip = write_greys(tmp_path / "vfr.mp4", 5, milliseconds=[0, 33, 500, 510, 1700])
    mux(clip, hiss(9), tmp_path / "out.mp4")
    assert picture_times(tmp_path / "out.mp4") == pytest.approx([0, 0.033, 0.5, 0.51, 1.7], abs=1e-3)
    assert read_audio(tmp_path / "out.mp4").samples.shape[1] == round(probe(clip).duration * 44100)


def test_mp4_is_ready_to_stream(tmp_path: Path):
    mux(write_greys(tmp_path / "clip.mp4", 5), hiss(0.2), tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_truncated_video_gets_sound_for_what_is_there(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mp4", noise(30), g="5")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    mux(cut, hiss(2.0), tmp_path / "out.mp4")
    assert read_audio(tmp_path / "out.mp4").duration == pytest.approx(probe(cut).duration, abs=1e-4)


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [
        ("clip.webm", "libvpx-vp9", "out.avi"),
        ("clip.mp4", "libx264", "out.webm"),
        ("clip.mp4", "libx264", "out.avi"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(tmp_path: Path, source: str, codec: str, target: str):
    clip = write_greys(tmp_path / source, 5, codec=codec)
    with pytest.raises(CannotWrite, match=rf"cannot hold (vp9|h264); choose {clip.suffix} or \.mkv"):
        mux(clip, hiss(0.2), tmp_path / target)
    assert list(tmp_path.iterdir()) == [clip]


def test_unknown_endings_and_codecs_are_refused(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 3)
    with pytest.raises(UnknownChoice, match=r"unknown video file ending '\.gif'; choose one of: \.mp4"):
        mux(clip, hiss(0.1), tmp_path / "out.gif")
    with pytest.raises(
        UnknownChoice, match=r"unknown sound codec for \.webm files 'aac'; choose one of: opus"
    ):
        mux(clip, hiss(0.1), tmp_path / "out.webm", codec="aac")


def test_the_input_is_never_overwritten(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 3)
    (tmp_path / "link.mp4").symlink_to(clip)
    before = hashlib.sha256(clip.read_bytes()).digest()
    for out in (clip, tmp_path / "link.mp4", tmp_path / "." / "clip.mp4"):
        with pytest.raises(CannotWrite, match="it is the input video itself; choose another name"):
            mux(clip, hiss(0.1), out)
    assert hashlib.sha256(clip.read_bytes()).digest() == before


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, ending: str):
    clip = write_clip(tmp_path / f"clip.{ending}", noise(20))
    out = tmp_path / f"out.{ending}"
    mux(clip, hiss(0.8), out)
    before = out.read_bytes()
    for size in (10, len(before) // 2, len(before) - 1):
        with pytest.raises(CannotWrite, match="free some space"), files_no_larger_than(size):
            mux(clip, hiss(0.8), out)
        assert out.read_bytes() == before
        assert sorted(tmp_path.iterdir()) == [clip, out]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
):
    clip = write_greys(tmp_path / "clip.mp4", 10)
    original = mux_module._encoded_packets

    def interrupted(*args: object):
        yield from list(original(*args))[:5]
        raise failure

    monkeypatch.setattr(mux_module, "_encoded_packets", interrupted)
    with pytest.raises(failure):
        mux(clip, hiss(0.4), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [clip]


def test_where_nothing_can_be_written_is_named(tmp_path: Path):
    clip = write_greys(tmp_path / "clip.mp4", 3)
    with pytest.raises(CannotWrite, match=r"cannot write .*out\.mp4: .*; create the folder .*nowhere first"):
        mux(clip, hiss(0.1), tmp_path / "nowhere" / "out.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(CannotWrite, match="it is a directory; give a file name"):
        mux(clip, hiss(0.1), tmp_path / "folder.mp4")
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="create the folder"):
        mux(clip, hiss(0.1), tmp_path / "file" / "out.mp4")


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As root every folder is writable, so the refusal of the system is played."""
    clip = write_greys(tmp_path / "clip.mp4", 3)

    def refused(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(CannotWrite, match="permission denied; choose a folder you can write to"):
        mux(clip, hiss(0.1), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [clip]


def test_pictures_without_timestamps_are_named(tmp_path: Path):
    clip = write_clip(tmp_path / "raw.h264", [np.zeros((48, 64, 3), np.uint8)] * 5)
    with pytest.raises(UnreadableVideo, match=r"no timestamps; convert it to \.mp4 first"):
        mux(clip, hiss(0.2), tmp_path / "out.mp4")
