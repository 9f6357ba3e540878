"""Reading videos of every awkward kind."""

import logging
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_clips import corners, grey, hiss, noise, shown, write_clip, write_greys

from prismaudio.errors import NoVideoStream, UnreadableVideo
from prismaudio.media.audio import write_audio
from prismaudio.media.preprocess import SYNCHFORMER, VIDEOPRISM, Image, View
from prismaudio.media.video import iter_view_chunks, probe, read_views

SMALL = View(fps=25, width=32, height=24, fit="stretch")


def read(path: Path, view: View, **options: float) -> np.ndarray:
    return read_views(path, {"view": view}, **options)["view"].images


def ffmpeg_fps_filter(path: Path, fps: int) -> list[int]:
    """The reference: what ffmpeg itself shows in each slot."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(template=stream), graph.add("fps", str(fps)), graph.add("buffersink")
        ).configure()
        images = []
        for frame in [*container.decode(stream), None]:
            graph.vpush(frame)
            while True:
                try:
                    images.append(graph.vpull().to_ndarray(format="rgb24"))
                except (av.BlockingIOError, av.EOFError):
                    break
        return shown(np.stack(images))


def test_probe_of_an_ordinary_clip(tmp_path: Path):
    info = probe(write_greys(tmp_path / "clip.mp4", 20, sound=hiss(0.8)))
    assert (info.width, info.height, info.rotation, info.codec) == (64, 48, 0, "h264")
    assert info.duration == pytest.approx(0.8, abs=1e-9)
    assert info.fps == pytest.approx(25)
    assert info.has_audio
    assert info.notes == ()


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "webm", "ts"])
def test_every_container_gives_every_picture_once(tmp_path: Path, ending: str):
    codec = {"avi": "mpeg4", "webm": "libvpx-vp9"}.get(ending, "libx264")
    path = write_greys(tmp_path / f"clip.{ending}", 12, codec=codec)
    assert shown(read(path, SMALL)) == list(range(12))
    assert probe(path).duration == pytest.approx(12 / 25, abs=0.002)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "ts", "h264"])
def test_pictures_stored_out_of_order_come_back_in_order(tmp_path: Path, ending: str):
    path = write_greys(tmp_path / f"clip.{ending}", 24, bf="3", qp="1")
    assert shown(read(path, SMALL)) == list(range(24))


@pytest.mark.parametrize("fps", [2, 4, 10, 25, 60])
def test_variable_rate_is_sampled_by_timestamp_as_ffmpeg_does(tmp_path: Path, fps: int):
    moments = [0, 40, 90, 500, 510, 530, 1250, 1290, 2000, 2060]
    path = write_greys(tmp_path / "vfr.mp4", 10, milliseconds=moments)
    pictures = shown(read(path, View(fps, 32, 24, "stretch"), duration=2.0))
    latest = [sum(round(m * fps / 1000 + 1e-9) <= slot for m in moments) - 1 for slot in range(2 * fps)]
    assert pictures == latest
    assert pictures == ffmpeg_fps_filter(path, fps)[: 2 * fps]


def test_a_moment_halfway_between_two_slots_belongs_to_the_later_one(tmp_path: Path):
    path = write_greys(tmp_path / "clip.mp4", 24, milliseconds=[i * 125 for i in range(24)])
    pictures = shown(read(path, View(4, 32, 24, "stretch")))
    assert pictures == ffmpeg_fps_filter(path, 4)[: len(pictures)] == [2 * i for i in range(11)]


def test_a_stored_quarter_turn_is_undone(tmp_path: Path):
    path = write_clip(tmp_path / "phone.mp4", [corners()] * 3, rotation=(-90, False), qp="1")
    info = probe(path)
    assert (info.width, info.height, info.rotation) == (48, 64, 90)
    upright = read(path, View(25, 48, 64, "stretch"))[0]
    np.testing.assert_allclose(upright.astype(int), np.rot90(corners(), k=-1).astype(int), atol=130)
    np.testing.assert_allclose(
        upright[4:-4:8, 4:-4:8].astype(int), np.rot90(corners(), k=-1)[4:-4:8, 4:-4:8], atol=8
    )


@pytest.mark.parametrize(
    ("turn", "mirror", "expected"),
    [
        (0, True, np.fliplr(corners())),
        (180, False, np.rot90(corners(), 2)),
        (90, False, np.rot90(corners(), 1)),
        (90, True, np.fliplr(np.rot90(corners(), 1))),
    ],
)
def test_mirrored_and_turned_pictures_come_upright(
    tmp_path: Path, turn: float, mirror: bool, expected: np.ndarray
):
    path = write_clip(
        tmp_path / "selfie.mkv" if not mirror else tmp_path / "selfie.mp4",
        [corners()],
        rotation=(turn, mirror),
    )
    height, width = expected.shape[:2]
    upright = read(path, View(25, width, height, "stretch"))[0]
    np.testing.assert_allclose(upright[4::8, 4::8].astype(int), expected[4::8, 4::8], atol=8)


def test_odd_sizes(tmp_path: Path):
    path = write_clip(tmp_path / "odd.mp4", [grey(100, 321, 179)] * 3)
    views = {
        "v": VIDEOPRISM,
        "s": SYNCHFORMER,
        "i": View(25, 100, 100, "inside"),
        "c": View(25, 33, 77, "cover"),
    }
    frames = read_views(path, views)
    assert [frames[name].images.shape for name in views] == [
        (1, 288, 288, 3), (3, 224, 224, 3), (3, 56, 100, 3), (3, 77, 33, 3)
    ]  # fmt: skip
    assert shown(frames["c"].images) == [10, 10, 10]


@pytest.mark.parametrize(("pictures", "slots"), [(1, {"slow": 1, "fast": 1}), (5, {"slow": 1, "fast": 5})])
def test_very_short_clips_give_at_least_one_picture(tmp_path: Path, pictures: int, slots: dict[str, int]):
    path = write_greys(tmp_path / "short.mp4", pictures)
    assert probe(path).duration == pytest.approx(pictures * 0.04)
    frames = read_views(path, {"slow": View(4, 32, 24), "fast": View(25, 32, 24)})
    assert {name: len(view.images) for name, view in frames.items()} == slots


def test_the_last_picture_is_held_when_more_is_asked_for(tmp_path: Path):
    path = write_greys(tmp_path / "clip.mp4", 5)
    assert shown(read(path, SMALL, duration=0.4)) == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize("reordered", ["0", "2"])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "ts"])
def test_starting_later_is_the_same_as_cutting(tmp_path: Path, ending: str, reordered: str):
    codec = "mpeg4" if ending == "avi" else "libx264"
    path = write_greys(tmp_path / f"clip.{ending}", 25, fps=5, codec=codec, g="5", bf=reordered)
    whole = read(path, View(5, 32, 24, "stretch"))
    for slot in range(25):
        later = read(path, View(5, 32, 24, "stretch"), start=slot / 5, duration=0.6)
        np.testing.assert_array_equal(later[: 25 - slot], whole[slot : slot + 3])


def test_a_start_beyond_the_end_is_refused(tmp_path: Path):
    with pytest.raises(UnreadableVideo, match=r"lasts 0\.20 s, so nothing starts at 3 s; choose"):
        read(write_greys(tmp_path / "clip.mp4", 5), SMALL, start=3)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_truncated_file_gives_what_is_there(tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture):
    codec = "mpeg4" if ending == "avi" else "libx264"
    whole = write_clip(tmp_path / f"whole.{ending}", noise(50), codec=codec, g="5")
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    info = probe(cut)
    assert 0.9 < info.duration < 1.4
    count = int(info.duration * 25) - 2  # the very last picture may be damaged
    np.testing.assert_array_equal(read(cut, SMALL)[:count], read(whole, SMALL)[:count])
    assert any("promises 2.00 s" in note for note in info.notes) or ending != "mp4"


def test_damaged_pictures_in_the_middle_are_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write_clip(tmp_path / "clip.mp4", noise(40), g="5")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert len(read(path, SMALL)) == 40


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"just some text\n" * 50, "not a media file"), (bytes(5000), "not a media file")],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=rf"^cannot read .*clip\.mp4: .*{reason}.*; \w+[^\n]*$"):
        probe(path)


def test_a_file_whose_index_is_cut_off_is_named(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mov", noise(10))  # .mov keeps its index at the end
    cut = tmp_path / "cut.mov"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableVideo, match="damaged, incomplete"):
        probe(cut)


def test_damaged_timestamps_are_named(tmp_path: Path):
    path = write_greys(tmp_path / "clip.mp4", 3, milliseconds=[0, 40, 18_000_000])
    with pytest.raises(UnreadableVideo, match="timestamps are damaged: one picture would last 1"):
        probe(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(UnreadableVideo, match="no such file; check the path"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(UnreadableVideo, match="not a file"):
        probe(tmp_path)


def test_a_playlist_does_not_open_other_files(tmp_path: Path):
    write_greys(tmp_path / "secret.ts", 3)
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnreadableVideo):
        probe(playlist)


def test_sound_without_picture_is_named(tmp_path: Path):
    write_audio(tmp_path / "sound.wav", hiss(0.1))
    path = (tmp_path / "sound.wav").rename(tmp_path / "sound.mp4")
    with pytest.raises(NoVideoStream, match="no moving picture, only audio; give a video file"):
        probe(path)


def test_a_cover_image_is_no_video(tmp_path: Path):
    path = tmp_path / "song.mp3"
    with av.open(path, "w") as out:
        track = out.add_stream("libmp3lame", rate=44100)
        cover = out.add_stream("png")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux([*cover.encode(av.VideoFrame.from_ndarray(grey(50), "rgb24")), *cover.encode()])
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 4410), np.float32), "fltp", "stereo")
        frame.sample_rate = 44100
        out.mux([*track.encode(frame), *track.encode()])
    with pytest.raises(NoVideoStream):
        probe(path)


def test_a_broken_sound_track_does_not_matter(tmp_path: Path):
    path = write_greys(tmp_path / "clip.mkv", 10, sound=hiss(0.4))
    content = bytearray(path.read_bytes())
    with av.open(path) as container:
        for packet in container.demux(audio=0):
            if packet.size and packet.pos:
                content[packet.pos + 8 : packet.pos + packet.size] = bytes(packet.size - 8)
    path.write_bytes(content)
    assert shown(read(path, SMALL)) == list(range(10))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 7.0])
def test_chunks_are_the_whole_in_pieces(tmp_path: Path, seconds: float):
    path = write_greys(tmp_path / "clip.mp4", 20, milliseconds=[i * i * 7 for i in range(20)])
    views = {"slow": View(5, 32, 24), "fast": View(25, 16, 16, "cover")}
    whole = read_views(path, views)
    chunks = list(iter_view_chunks(path, views, seconds))
    assert [chunk.start for chunk in chunks] == pytest.approx([i * seconds for i in range(len(chunks))])
    for name, view in views.items():
        pieces = [chunk.frames[name].images for chunk in chunks]
        np.testing.assert_array_equal(np.concatenate(pieces), whole[name].images)
        assert all(abs(len(piece) - seconds * view.fps) < 1 for piece in pieces[:-1])


def test_a_long_video_is_never_held_whole(tmp_path: Path):
    alive = 0

    def died() -> None:
        nonlocal alive
        alive -= 1

    @dataclass(frozen=True)
    class CountedView(View):
        most: list[int] = field(default_factory=list)

        def __call__(self, image: Image) -> Image:
            seen = super().__call__(image)
            nonlocal alive
            alive += 1
            weakref.finalize(seen, died)
            self.most.append(alive)
            return seen

    pictures = [grey(i % 250) for i in range(300)]
    path = write_clip(tmp_path / "minute.mp4", pictures, fps=5, codec="mpeg4")
    view = CountedView(5, 32, 24, "stretch")
    starts = [chunk.start for chunk in iter_view_chunks(path, {"view": view}, 2.0)]
    assert starts == [2.0 * i for i in range(30)]
    assert len(view.most) == 300
    assert max(view.most) <= 21  # two chunks of ten, and the picture in hand


def test_pictures_that_nobody_wants_are_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    converted = []
    monkeypatch.setattr(
        "prismaudio.media.video.upright", lambda frame, turn: converted.append(frame) or grey(0)
    )
    read_views(write_greys(tmp_path / "clip.mp4", 25), {"a": View(2, 8, 8), "b": View(5, 8, 8)})
    assert len(converted) == 7  # two slots of a, five of b


def test_torch_threads_are_left_alone(tmp_path: Path):
    before = torch.get_num_threads()
    read(write_greys(tmp_path / "clip.mp4", 3), VIDEOPRISM)
    assert torch.get_num_threads() == before
