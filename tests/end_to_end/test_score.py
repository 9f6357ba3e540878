"""`prismaudio score`: sounds of all kinds before a panel, and what goes wrong in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from command import Command
from media_clips import noise as pictures
from media_clips import write_clip
from panels import judge_files
from small_judges import noise

from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.media.audio import read_audio, write_audio
from prismaudio.types import Audio

SECONDS = 2.0


@pytest.fixture(scope="session")
def judges(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name small untrained judges, and GCC-PHAT instead of the one that looks."""
    folder = judge_files(tmp_path_factory.mktemp("judges"))
    names = [f"{name}=embedded:{folder}" for name in DIMENSIONS]
    return [part for name in names for part in ("--judge", name)]


@pytest.fixture(scope="session")
def plan(scene: Path) -> Path:
    return scene.with_suffix(".plan.yaml")


def figures(path: Path) -> list[dict]:
    return json.loads(path.read_text())["scores"]


def test_the_sound_of_a_video_is_scored_in_four_dimensions(
    prismaudio: Command, clip: Path, judges: list[str]
):
    kept = clip.with_suffix(".json")
    outcome = prismaudio("score", clip, *judges, "--json", kept)
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert [line.split()[0] for line in lines[1:6]] == [*DIMENSIONS, "total"]
    assert "embedded-offset: desync" in lines[2]
    (score,) = figures(kept)
    assert score["planner"] == "embedded-planner"
    assert all(0 <= score["rewards"][name] <= 1 for name in DIMENSIONS)
    assert set(json.loads(kept.read_text())["rules"]["versions"]) == {
        "embedded-audio-text",
        "embedded-offset",
        "embedded-cleanness",
        "embedded-seen-place",
    }


def test_other_sounds_are_judged_beside_each_other_by_a_plan(
    prismaudio: Command, clip: Path, plan: Path, judges: list[str]
):
    own = read_audio(clip)
    first, second = clip.with_name("own.wav"), clip.with_name("noise.flac")
    write_audio(first, own)
    write_audio(second, Audio(noise(SECONDS).samples[0], 44100))
    kept = clip.with_suffix(".json")
    outcome = prismaudio(
        *("score", clip, "--audio", first, "--audio", second, "--plan", plan, *judges, "--json", kept),
        *(
            "--judge",
            "spatial=gcc",
            "--reference",
            clip,
            "--weights",
            "semantic=0,temporal=0,aesthetic=0,spatial=1",
        ),
    )
    assert outcome.code == 0
    assert outcome.out.splitlines()[-3].startswith(str(second))  # one line each at the end
    true, other = figures(kept)
    assert true["planner"] == Plan.load(plan).provenance.planner
    assert true["total"] == true["rewards"]["spatial"] > 0.95
    assert other["rewards"]["spatial"] < 0.8
    alone = clip.with_name("alone.json")
    assert prismaudio("score", clip, "--audio", second, "--plan", plan, *judges, "--json", alone).code == 0
    for name in ("semantic", "temporal", "aesthetic"):
        assert figures(alone)[0]["rewards"][name] == pytest.approx(other["rewards"][name], abs=1e-5)


def test_silence_is_not_scored_and_said_to_be_silence(
    prismaudio: Command, clip: Path, plan: Path, judges: list[str]
):
    silence = clip.with_name("silence.wav")
    write_audio(silence, Audio(torch.zeros(2, round(SECONDS * 44100)), 44100))
    outcome = prismaudio("score", clip, "--audio", silence, "--plan", plan, *judges)
    assert outcome.code == 0
    assert outcome.out.count("n/a: the sound is silent") == 4


def test_a_mono_sound_comes_from_the_middle(prismaudio: Command, clip: Path, plan: Path, judges: list[str]):
    mono = clip.with_name("mono.wav")
    write_audio(mono, Audio(noise(SECONDS, channels=1).samples[0], 44100))
    outcome = prismaudio("score", clip, "--audio", mono, "--plan", plan, *judges)
    assert outcome.code == 0
    assert "comes from the middle" in outcome.err
    outcome = prismaudio(
        *("score", clip, "--plan", plan, *judges, "--judge", "spatial=gcc", "--reference", mono, "-f")
    )
    assert "spatial    n/a: the true sound is mono or silent" in outcome.out


def test_a_short_sound_is_judged_as_silent_at_the_end(
    prismaudio: Command, clip: Path, plan: Path, judges: list[str]
):
    short, padded = clip.with_name("short.wav"), clip.with_name("padded.wav")
    samples = noise(1.5).samples[0]
    write_audio(short, Audio(samples, 44100))
    write_audio(padded, Audio(torch.nn.functional.pad(samples, (0, 22050)), 44100))
    kept = clip.with_suffix(".json")
    outcome = prismaudio(
        "score", clip, "--audio", short, "--audio", padded, "--plan", plan, *judges, "--json", kept
    )
    assert outcome.code == 0
    assert f"{short}: it ends 0.50 s before the picture" in outcome.err
    first, second = figures(kept)
    assert first["rewards"] == second["rewards"]
    assert (len(first["notes"]), second["notes"]) == (1, [])


def test_one_video_that_cannot_be_scored_does_not_stop_the_others(
    prismaudio: Command, clip: Path, judges: list[str]
):
    mute = write_clip(clip.with_name("mute.mp4"), pictures(25))
    broken = clip.with_name("broken.mp4")
    broken.write_bytes(clip.read_bytes()[:3000])
    kept = clip.with_suffix(".json")
    outcome = prismaudio("score", mute, broken, clip, *judges, "--json", kept)
    assert outcome.code == 1
    assert outcome.err.count("prismaudio: cannot read") == 2
    assert f"{mute}: it has no sound, only video; give a file with sound" in outcome.err
    assert len(figures(kept)) == 1
    assert set(json.loads(kept.read_text())["failures"]) == {str(mute), str(broken)}


def test_a_judge_that_is_not_there_is_a_reason(prismaudio: Command, clip: Path, plan: Path, tmp_path: Path):
    absent = [part for name in DIMENSIONS for part in ("--judge", f"{name}=embedded:{tmp_path}")]
    outcome = prismaudio("score", clip, "--plan", plan, *absent)
    assert outcome.code == 0
    assert outcome.out.count("n/a: no weights at") == 4
    assert outcome.out.splitlines()[5].split() == ["total", "n/a"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--judges", "public"), "unknown panel of judges 'public'; choose one of: embedded, published"),
        (("--judge", "spatial=ears"), "unknown judge of the spatial dimension 'ears'"),
        (("--weights", "semantic=1,loudness=2"), "--weights: loudness"),
        (("--scaling", "big"), "judges: scaling"),
        (("--reference", "a.wav"), "no judge of this panel listens to a reference"),
        (("--judge", "spatial=gcc", "--reference", "nowhere.wav"), "cannot read nowhere.wav: no such file"),
        (("--json", "scores.txt"), "unknown file ending of scores.txt '.txt'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    prismaudio: Command, clip: Path, plan: Path, wrong: tuple[str, ...], told: str
):
    outcome = prismaudio("score", clip, "--plan", plan, *wrong)
    assert outcome.code == 1
    assert told in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_options_of_one_video_are_refused_for_several(prismaudio: Command, clip: Path):
    other = Path(shutil.copyfile(clip, clip.with_name("other.mp4")))
    outcome = prismaudio("score", clip, other, "--audio", clip)
    assert outcome.code == 2
    assert "of one video" in outcome.err


def test_a_part_of_the_film_can_be_judged(prismaudio: Command, clip: Path, plan: Path, judges: list[str]):
    kept = clip.with_suffix(".json")
    samples = read_audio(clip).samples.clone()
    samples[:, 44100 + 4410 :] = 0
    cut = clip.with_name("cut.wav")
    write_audio(cut, Audio(samples, 44100), "FLOAT")
    whole = clip.with_name("whole.wav")
    write_audio(whole, read_audio(clip), "FLOAT")
    outcome = prismaudio(
        *(
            "score",
            clip,
            "--audio",
            whole,
            "--audio",
            cut,
            "--plan",
            plan,
            *judges,
            "--duration",
            1.1,
            "--json",
            kept,
        )
    )
    assert outcome.code == 0
    first, second = figures(kept)
    assert first["rewards"] == second["rewards"]
