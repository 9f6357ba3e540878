"""What users bring: files that are no videos, odd videos, wrong options, long films, and impatience."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
import soundfile
from command import Command
from media_clips import grey, hiss, noise, packets, write_clip, write_greys

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import UnreadableVideo
from prismaudio.generation.prompting import apply_prompt
from prismaudio.media.audio import write_audio
from prismaudio.media.video import probe

QUICK = ("--steps", 1)
PROGRAM = (sys.executable, "-c", "from prismaudio.cli.main import main; main()")


def refused(prismaudio: Command, *arguments: object) -> str:
    """The one line that says why it could not be done."""
    outcome = prismaudio(*arguments)
    assert outcome.code == 1, outcome
    assert outcome.err.startswith("prismaudio: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    return outcome.err


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def no_video(path: Path, kind: str) -> Path:
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no video\n" * 100)
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 64)
    elif kind == "headless":
        path.write_bytes(write_clip(path, noise(20)).read_bytes()[2000:])
    elif kind == "folder":
        path.mkdir()
    elif kind == "sound":
        write_audio(path.with_suffix(".wav"), hiss(1.0))
        path = path.with_suffix(".wav")
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "noise", "headless", "folder", "sound"])
def test_what_is_no_video_is_refused_and_nothing_is_left(prismaudio: Command, tmp_path: Path, kind: str):
    video = no_video(tmp_path / "clip.mp4", kind)
    before = names(tmp_path)
    message = refused(prismaudio, "generate", video, "-o", tmp_path / "out.mp4")
    assert message.startswith(f"prismaudio: cannot read {video}: ")
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--steps", 0, "steps"),
        ("--guidance", "nan", "guidance"),
        ("--guidance", -1, "guidance"),
        ("--seed", -1, "seed"),
        ("--duration", 0, "duration"),
        ("--duration", "inf", "duration"),
        ("--loudness", "nan", "loudness"),
        ("--true-peak", 3, "true_peak"),
        ("--sample-rate", 8000, "sample_rate"),
        ("--device", "toaster", "device"),
        ("--dtype", "int4", "dtype"),
        ("--model", "nowhere", "no folder of weights at nowhere"),
        ("--engine", "steam", "engine"),
        ("--engine", "graph", "use eager or compile"),
        ("--sampler", "leap", "sampler"),
        ("--guided", "0.9:0.1", "guided_from"),
        ("--plan", "nowhere.yaml", "nowhere.yaml"),
        ("--audio", "sound.mp3", ".wav"),
        ("--picture", "page.pdf", ".png"),
        ("-o", "clip.gif", ".mp4"),
        ("-o", "nowhere/clip.mp4", "create the folder nowhere"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    prismaudio: Command, clip: Path, option: str, value: object, told: str
):
    assert told in refused(prismaudio, "generate", clip, option, value)
    assert names(clip.parent) == {"clip.mp4"}


def test_misspelt_options_are_usage_errors(prismaudio: Command, clip: Path):
    for arguments in (
        ["generate"],
        ["generate", clip, "--sedd", 1],
        ["generate", clip, "--loudness", "loud"],
    ):
        assert prismaudio(*arguments).code == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("just words", "not a plan"),
        ("duration: [", "neither YAML nor JSON"),
        ("duration: -1", "duration"),
        ("duration: 2\nsemantic: {evnts: []}", "evnts"),
        ("duration: 2\ntemporal: {spans: [{event: x, onset: 0, offset: 1}]}", "unknown events"),
    ],
)
def test_a_damaged_plan_is_refused_by_field(prismaudio: Command, clip: Path, text: str, told: str):
    plan = clip.with_name("plan.yaml")
    plan.write_text(text)
    assert told in refused(prismaudio, "generate", clip, "--plan", plan)


def test_the_input_is_never_overwritten(prismaudio: Command, clip: Path):
    before = clip.read_bytes()
    assert "it is the input itself" in refused(prismaudio, "generate", clip, "-o", clip, "--force")
    assert clip.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(prismaudio: Command, clip: Path):
    assert "cannot write /proc/out.mp4" in refused(
        prismaudio, "generate", clip, *QUICK, "-o", "/proc/out.mp4"
    )


@pytest.mark.parametrize("pictures", [1, 5])  # 0.04 s and 0.2 s
def test_very_short_films(prismaudio: Command, tmp_path: Path, pictures: int):
    video, sound = write_greys(tmp_path / "short.mp4", pictures), tmp_path / "short.wav"
    assert prismaudio("generate", video, *QUICK, "--audio", sound, "--picture", tmp_path / "p.png").code == 0
    assert soundfile.info(sound).frames == pictures * 44100 // 25
    assert packets(tmp_path / "short.sound.mp4") == packets(video)


def test_a_film_that_lies_on_its_side(prismaudio: Command, tmp_path: Path):
    video = write_clip(tmp_path / "side.mp4", noise(10), rotation=(90, False))
    assert prismaudio("generate", video, *QUICK).code == 0
    assert probe(tmp_path / "side.sound.mp4").rotation == probe(video).rotation != 0


def test_a_film_of_variable_rate(prismaudio: Command, tmp_path: Path):
    moments = [0, 10, 200, 210, 700, 1000, 1100]
    video = write_clip(tmp_path / "vfr.mkv", noise(7), milliseconds=moments)
    sound = tmp_path / "vfr.wav"
    assert prismaudio("generate", video, *QUICK, "--audio", sound).code == 0
    assert soundfile.info(sound).frames == round(probe(video).duration * 44100)


def test_a_film_that_breaks_off_gets_sound_for_what_is_there(prismaudio: Command, tmp_path: Path):
    video = write_clip(tmp_path / "whole.mkv", noise(50))
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    sound = tmp_path / "half.wav"
    assert prismaudio("generate", video, *QUICK, "--audio", sound).code == 0
    assert 0.5 < soundfile.info(sound).duration < 1.5


def test_names_with_blanks_colons_and_percent_signs(prismaudio: Command, tmp_path: Path):
    video = write_greys(tmp_path / "a clip: 100% ü.mp4", 5)
    assert prismaudio("generate", video, *QUICK).code == 0
    assert (tmp_path / "a clip: 100% ü.sound.mp4").exists()


def test_kinds_of_file_that_cannot_be_written_become_mkv(prismaudio: Command, tmp_path: Path):
    video = write_greys(tmp_path / "clip.ts", 10)
    assert prismaudio("generate", video, *QUICK).code == 0
    assert (tmp_path / "clip.sound.mkv").exists()


def test_thirty_seconds_are_blended_from_windows(prismaudio: Command, tmp_path: Path):
    """Rain from beginning to end: no hole, no step where windows meet."""
    images = [grey(40 * (i % 5), 32, 32) for i in range(300)]
    video, sound, plan = (tmp_path / name for name in ("long.mp4", "long.wav", "plan.yaml"))
    write_clip(video, images, fps=10)
    apply_prompt(Plan(duration=30.0), "rain falling", None).save(plan)
    assert prismaudio("generate", video, "--steps", 2, "--audio", sound, "--plan", plan).code == 0
    samples, rate = soundfile.read(sound)
    assert samples.shape == (30 * 44100, 2)
    levels = [samples[round(t * rate) : round((t + 0.5) * rate)].std() for t in range(29)]
    assert min(levels) > 0.2 * max(levels)


def test_an_interrupted_run_ends_with_130_and_leaves_nothing(clip: Path):
    outputs = [clip.with_name(name) for name in ("out.mp4", "out.wav", "out.yaml", "out.png")]
    video, audio, plan, picture = outputs
    with subprocess.Popen(
        [*PROGRAM, "generate", clip, "--steps", "1000", "-o", video]
        + ["--audio", audio, "--save-plan", plan, "--picture", picture],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(6)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "prismaudio: interrupted\n")
    assert names(clip.parent) == {"clip.mp4"}


def test_the_error_itself_is_seen_only_on_request(
    prismaudio: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    refused(prismaudio, "plan", tmp_path / "none.mp4")
    monkeypatch.setenv("PRISMAUDIO_DEBUG", "1")
    with pytest.raises(UnreadableVideo):
        prismaudio("plan", tmp_path / "none.mp4")


def test_an_error_nobody_meant_is_still_one_line(prismaudio: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("prismaudio.media.video.open_media", lambda *_: 1 / 0)
    assert "internal error: ZeroDivisionError" in refused(prismaudio, "plan", "clip.mp4")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_minutes_in_bounded_memory(tmp_path: Path):
    video, sound = tmp_path / "film.mp4", tmp_path / "film.flac"
    write_clip(
        video, [grey(40 * (i % 5), 32, 32) for i in range(1500)], milliseconds=[400 * i for i in range(1500)]
    )
    plan = tmp_path / "plan.yaml"
    apply_prompt(Plan(duration=600.0), "rain falling", None).save(plan)
    run = subprocess.run(
        [*PROGRAM, "generate", video, "--steps", "2", "--audio", sound, "--plan", plan], check=False
    )
    assert run.returncode == 0
    assert soundfile.info(sound).frames == round(probe(video).duration * 44100) > 590 * 44100
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3_500_000  # kB


def test_the_plan_of_a_still_picture_can_be_played(prismaudio: Command, tmp_path: Path):
    """Nothing moves, nothing is known: the result may be silent, but it is a result."""
    video = write_clip(tmp_path / "still.mp4", [grey(128)] * 25)
    assert prismaudio("plan", video).code == 0
    plan = Plan.load(tmp_path / "still.plan.yaml")
    assert plan.duration == pytest.approx(1.0, abs=0.01)
    assert prismaudio("generate", video, "--plan", tmp_path / "still.plan.yaml", *QUICK).code == 0
    with av.open(tmp_path / "still.sound.mp4") as container:
        assert container.streams.audio
