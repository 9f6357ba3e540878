"""A user's jobs with the embedded model, through the command line and from Python."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from command import Command
from media_clips import packets

from prismaudio import Plan, PrismAudioError, VideoToAudio, read_audio
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.media.loudness import true_peak
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views

QUICK = ("--steps", 2)
EXACT = (*QUICK, "--dtype", "float32")  # phase is guessed, and magnifies the rounding of shorter numbers
SECONDS = 2.0


@pytest.fixture(scope="session")
def pipeline() -> VideoToAudio:
    return VideoToAudio.from_pretrained("embedded", device="cpu")


def test_a_video_gets_sound_and_keeps_its_pictures(prismaudio: Command, clip: Path):
    outcome = prismaudio("generate", clip, *QUICK)
    result = clip.with_name("clip.sound.mp4")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == f"wrote {result}"
    assert packets(result) == packets(clip)
    with av.open(result) as container:
        assert container.streams.audio[0].codec_context.layout.name == "stereo"
        assert container.streams.audio[0].codec_context.sample_rate == 44100


def test_what_was_heard_is_told_in_four_dimensions(prismaudio: Command, clip: Path):
    lines = prismaudio("generate", clip, *QUICK).out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["semantic", "temporal", "aesthetic", "spatial"]


@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_sound_is_exactly_as_long_as_the_picture(prismaudio: Command, clip: Path, rate: int):
    sound = clip.with_suffix(".wav")
    assert prismaudio("generate", clip, *QUICK, "--audio", sound, "--sample-rate", rate).code == 0
    samples, written = soundfile.read(sound)
    assert (written, samples.shape) == (rate, (round(SECONDS * rate), 2))


@pytest.mark.parametrize("ending", [".mov", ".mkv"])
def test_other_containers(prismaudio: Command, clip: Path, ending: str):
    out = clip.with_name(f"other{ending}")
    assert prismaudio("generate", clip, "-o", out, *QUICK).code == 0
    assert read_audio(out).duration == pytest.approx(SECONDS, abs=0.03)


def test_equal_seeds_give_equal_sound_and_others_another_take(prismaudio: Command, clip: Path):
    takes = [clip.with_name(f"take{number}.wav") for number in range(3)]
    for take, seed in zip(takes, (5, 5, 6), strict=True):
        assert prismaudio("generate", clip, "-f", *QUICK, "--seed", seed, "--audio", take).code == 0
    first, again, other = (take.read_bytes() for take in takes)
    assert first == again
    assert first != other


def test_prompts_reach_the_plan_and_the_sound(prismaudio: Command, clip: Path):
    plan, plain, prompted = (clip.with_name(name) for name in ("plan.yaml", "plain.wav", "prompted.wav"))
    assert prismaudio("generate", clip, *QUICK, "--audio", plain).code == 0
    outcome = prismaudio(
        *("generate", clip, "-f", *QUICK, "--audio", prompted, "--save-plan", plan),
        *("--prompt", "a glass breaking, +rain falling", "--avoid", "music"),
    )
    assert outcome.code == 0
    saved = Plan.load(plan)
    assert list(saved.sounds().values()) == ["a glass breaking", "rain falling"]
    assert saved.semantic.avoid == ("music",)
    assert plain.read_bytes() != prompted.read_bytes()


def test_a_plan_can_be_written_edited_and_played(prismaudio: Command, clip: Path):
    plan, saved = clip.with_name("plan.yaml"), clip.with_name("saved.json")
    assert prismaudio("plan", clip, "-o", plan, "--prompt", "a bell ringing").code == 0
    plan.write_text(plan.read_text().replace("a bell ringing", "a drum being hit"))
    outcome = prismaudio("generate", clip, "--plan", plan, "--save-plan", saved, *QUICK)
    assert outcome.code == 0
    assert "a drum being hit" in outcome.out
    assert Plan.load(saved) == Plan.load(plan)


def test_a_report_is_drawn(prismaudio: Command, clip: Path):
    import matplotlib.image

    picture = clip.with_suffix(".png")
    assert prismaudio("generate", clip, *QUICK, "--picture", picture).code == 0
    image = matplotlib.image.imread(picture)
    assert image.shape[1] == 1320
    assert image[..., :3].std() > 0.1


def test_loudness_and_peak_are_as_asked_for(prismaudio: Command, clip: Path):
    loud, quiet = clip.with_name("loud.wav"), clip.with_name("quiet.wav")
    assert prismaudio("generate", clip, *QUICK, "--audio", loud, "--true-peak", "-3").code == 0
    assert prismaudio("generate", clip, "-f", *QUICK, "--audio", quiet, "--loudness", "-40").code == 0
    assert true_peak(read_audio(loud)) <= -2.99
    assert read_audio(quiet).samples.std() < read_audio(loud).samples.std()


def test_the_original_sound_is_kept_on_request(prismaudio: Command, clip: Path):
    assert prismaudio("generate", clip, *QUICK, "--keep-original").code == 0
    with av.open(clip.with_name("clip.sound.mp4")) as container:
        assert len(container.streams.audio) == 2


def test_an_output_that_exists_is_kept_unless_forced(prismaudio: Command, clip: Path):
    result = clip.with_name("clip.sound.mp4")
    result.write_text("precious")
    outcome = prismaudio("generate", clip, *QUICK)
    assert (outcome.code, result.read_text()) == (1, "precious")
    assert "--force" in outcome.err
    assert prismaudio("generate", clip, *QUICK, "--force").code == 0


def test_only_the_beginning_is_sounded_on_request(pipeline: VideoToAudio, clip: Path):
    assert pipeline(clip, duration=0.5, steps=1).audio.samples.shape == (2, 22050)
    assert pipeline(clip, duration=99.0, steps=1).audio.samples.shape == (2, 88200)


def test_every_stage_is_timed_and_every_backend_named(prismaudio: Command, clip: Path):
    outcome = prismaudio("generate", clip, *QUICK, "--profile")
    timed = [line.split()[0] for line in outcome.out.splitlines()[-8:]]
    assert timed == ["load", "watch", "plan", "generate", "decode", "master", "write", "total"]


def test_from_python(pipeline: VideoToAudio, clip: Path):
    stages: list[str] = []
    result = pipeline(clip, steps=1, progress=lambda stage, share: stages.append(stage))
    assert list(dict.fromkeys(stages)) == list(result.timings)
    assert set(result.backends) == {"picture", "motion", "words", "planner", "generator", "codec"}
    result.save(clip.with_suffix(".flac"))
    result.save(clip.with_suffix(".mkv"))
    np.testing.assert_allclose(
        read_audio(clip.with_suffix(".flac")).samples, result.audio.samples, atol=1 / 30000
    )


def test_a_hit_of_the_plan_is_heard_at_its_moment(pipeline: VideoToAudio, clip: Path):
    """The figures are the benchmark's; here a strike must at least be louder than the silence before it."""
    plan = Plan(
        duration=SECONDS,
        semantic=SemanticThought(events=(Event(id="s1", sound="a hammer hitting metal"),)),
        temporal=TemporalThought(spans=(Span(event="s1", onset=1.2, offset=1.6, hits=(1.2,)),)),
    )
    samples = pipeline(clip, plan=plan).audio.samples
    before, after = (samples[:, round(a * 44100) : round(b * 44100)] for a, b in ((0.6, 1.1), (1.2, 1.5)))
    assert after.std() > 3 * before.std()


def test_avoiding_changes_only_what_it_must(pipeline: VideoToAudio, clip: Path):
    plain, avoiding = pipeline(clip, steps=2), pipeline(clip, steps=2, negative_prompt="music")
    assert not torch.equal(plain.audio.samples, avoiding.audio.samples)
    assert avoiding.plan.semantic.avoid == ("music",)


def test_a_plan_of_another_length_is_noted(pipeline: VideoToAudio, clip: Path):
    assert "9.00 s" in pipeline(clip, plan=Plan(duration=9.0), steps=1).notes[0]


def test_without_guidance_nothing_is_avoided_and_it_still_sounds(pipeline: VideoToAudio, clip: Path):
    assert pipeline(clip, guidance=1.0, steps=2).audio.samples.std() > 0


def test_scenes_are_made_with_their_plans(prismaudio: Command, tmp_path: Path):
    outcome = prismaudio(
        "stage", tmp_path / "scenes", "--count", 1, "--start", 3, "--width", 64, "--height", 48
    )
    assert outcome.code == 0
    assert {path.name for path in (tmp_path / "scenes").iterdir()} == {
        "scene_00003.mp4",
        "scene_00003.plan.yaml",
    }
    plan = Plan.load(tmp_path / "scenes" / "scene_00003.plan.yaml")
    assert read_audio(tmp_path / "scenes" / "scene_00003.mp4").duration == pytest.approx(
        plan.duration, abs=0.03
    )


def test_the_demo_shows_both_videos(prismaudio: Command, tmp_path: Path):
    outcome = prismaudio("demo", tmp_path)
    assert outcome.code == 0
    for name in ("tree", "scene"):
        assert (tmp_path / f"{name}.sound.mp4").stat().st_size > 1000
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_takes_are_made_together_and_sound_as_each_alone(prismaudio: Command, clip: Path):
    folder = clip.with_name("takes")
    outcome = prismaudio("generate", clip, "-o", folder, "--takes", 3, "--seed", 4, *EXACT)
    assert outcome.code == 0
    assert sorted(path.name for path in folder.iterdir()) == [f"clip.sound.{seed}.mp4" for seed in (4, 5, 6)]
    alone = clip.with_name("alone.mp4")
    assert prismaudio("generate", clip, "-o", alone, "--seed", 5, *EXACT).code == 0
    together, single = (read_audio(path).samples for path in (folder / "clip.sound.5.mp4", alone))
    assert torch.corrcoef(torch.stack([together.flatten(), single.flatten()]))[0, 1] > 0.9
    other = read_audio(folder / "clip.sound.6.mp4").samples
    assert torch.corrcoef(torch.stack([other.flatten(), single.flatten()]))[0, 1] < 0.5


def test_of_several_videos_a_broken_one_does_not_stop_the_others(prismaudio: Command, clip: Path):
    broken, folder = clip.with_name("broken.mp4"), clip.with_name("sounds")
    broken.write_text("this is no video")
    outcome = prismaudio("generate", broken, clip, "-o", folder, *QUICK)
    assert outcome.code == 1
    assert f"prismaudio: cannot read {broken}" in outcome.err
    assert [path.name for path in folder.iterdir()] == ["clip.sound.mp4"]


def test_several_sounds_do_not_fit_one_file(prismaudio: Command, clip: Path):
    outcome = prismaudio("generate", clip, "--takes", 2, "--audio", clip.with_suffix(".wav"), *QUICK)
    assert outcome.code == 2
    assert "2 sounds are asked for" in outcome.err


def test_a_caption_replaces_the_thoughts(prismaudio: Command, clip: Path):
    out = clip.with_suffix(".wav")
    told = []
    for caption in ("a bell ringing", "a dog barking"):
        assert prismaudio("generate", clip, "-f", *QUICK, "--caption", caption, "--audio", out).code == 0
        told.append(out.read_bytes())
    assert told[0] != told[1]


def test_pictures_in_memory_get_the_same_sound(pipeline: VideoToAudio, clip: Path):
    frames = read_views(clip, {"all": View(25, 160, 112, "stretch")})["all"]
    from_memory, from_file = (pipeline(video, steps=2).audio.samples for video in (frames, clip))
    torch.testing.assert_close(from_memory, from_file, atol=0.02, rtol=0)
    with pytest.raises(PrismAudioError, match="came from memory"):
        pipeline(frames, steps=1).save(clip.with_name("memory.mp4"))


@pytest.mark.parametrize(
    "choices", [("--sampler", "adams"), ("--sampler", "midpoint"), ("--guided", "0.2:0.9")]
)
def test_samplers_are_near_one_another(prismaudio: Command, clip: Path, choices: tuple[str, str]):
    sounds = []
    for extra in ((), choices):
        out = clip.with_suffix(".wav")
        assert prismaudio("generate", clip, "-f", "--steps", 8, "--audio", out, *extra).code == 0
        power = read_audio(out).samples.square().mean(dim=0)
        sounds.append(power.unfold(0, 882, 882).mean(dim=1).sqrt())  # phase is guessed anew, loudness is not
    assert torch.corrcoef(torch.stack(sounds))[0, 1] > 0.7
    assert not torch.equal(*sounds)


def test_a_plan_of_another_video_or_at_odds_with_itself_is_noticed(prismaudio: Command, clip: Path):
    plan, other = clip.with_name("plan.yaml"), clip.with_name("other.mp4")
    assert prismaudio("plan", clip, "-o", plan, "--prompt", "a bell ringing").code == 0
    other.write_bytes(clip.read_bytes() + b"\0")
    assert "note" not in prismaudio("generate", clip, "-f", "--plan", plan, *QUICK).err
    outcome = prismaudio("generate", other, "--plan", plan, *QUICK)
    assert outcome.code == 0
    assert "another" in outcome.err
    wrong = Plan.load(plan)
    wrong.model_copy(update={"temporal": TemporalThought()}).save(plan)
    assert "bell" in prismaudio("generate", clip, "-f", "--plan", plan, *QUICK).err
