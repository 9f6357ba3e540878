"""Videos become prompts as generation would look at them; what cannot be one is left out; other videos are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from media_clips import hiss, noise, write_clip, write_greys

from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.interaural import InterauralJudge
from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.provenance import sha256_of
from prismaudio.dimensions.rewards import PublishedPlaceReward, ReferenceReward, Reward
from prismaudio.dimensions.scoring import Panel
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.generation.embedded import EmbeddedModel
from prismaudio.generation.judging import levelled
from prismaudio.generation.loading import load_embedded
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.media.audio import fit_length, read_audio, write_audio
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.planning.annotation import Annotation, Ledger
from prismaudio.posttraining.panel_listener import PanelListener
from prismaudio.posttraining.prompts import OtherPrompts, Prompt
from prismaudio.posttraining.settings import BadConfig, OtherRun, RunConfig, read_settings, settle
from prismaudio.posttraining.video_prompts import (
    TooFewVideos,
    VideosConfig,
    clips_of,
    prepare_video_prompts,
)
from prismaudio.types import Audio

VIEW = View(MotionEncoder.fps, *MotionEncoder.frame_size, fit="stretch")
SECONDS = 1.2
HIT_LATE = Plan(
    duration=2.0,
    semantic=SemanticThought(
        events=(
            Event(id="s1", sound="a hammer striking", label="hammer"),
            Event(id="s2", sound="a dog barking", label="dog"),
        )
    ),
    temporal=TemporalThought(
        spans=(
            Span(event="s1", onset=0.4, offset=1.8, hits=(0.4, 1.0, 1.6)),
            Span(event="s2", onset=1.5, offset=1.9),
        )
    ),
)


@pytest.fixture(scope="module")
def model() -> EmbeddedModel:
    return load_embedded()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prompts, one of them silent, and all that is none."""
    folder = tmp_path_factory.mktemp("videos")
    pictures = noise(50)
    write_clip(folder / "b.mp4", pictures, sound=panned(2.0))
    (folder / "inner").mkdir()
    write_clip(folder / "inner" / "silent.mov", pictures[::-1])
    HIT_LATE.save(folder / "inner" / "silent.plan.yaml")
    write_greys(folder / "short.mp4", 20)
    (folder / "text.mp4").write_text("no film", encoding="utf-8")
    write_audio(folder / "sound.wav", hiss(2.0))
    (folder / "sound.wav").rename(folder / "sound.mkv")
    shutil.copyfile(folder / "b.mp4", folder / "wrong.mp4")
    shutil.copyfile(folder / "b.mp4", folder / "brief.mp4")
    (folder / "wrong.plan.yaml").write_text("duration: 2\nsemantics: {}\n", encoding="utf-8")
    Plan(duration=0.8).save(folder / "brief.plan.json")
    shutil.copyfile(folder / "b.mp4", folder / "contrary.mp4")
    HIT_LATE.model_copy(update={"duration": 1.3}).save(folder / "contrary.plan.yml")
    shutil.copyfile(folder / "b.mp4", folder / ".hidden.mp4")
    (folder / "notes.txt").write_text("not a video", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pool(videos: Path, model: EmbeddedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    prepare(folder, videos, model)
    return folder


def panned(seconds: float) -> Audio:
    """Noise that reaches the left ear 0.3 ms before the right."""
    mono = hiss(seconds).samples[0]
    return Audio(torch.stack([mono, mono.roll(13)]), 44_100)


def prepare(
    folder: Path, path: Path, model: EmbeddedModel, least: int = 1, count: int | None = None
) -> tuple[list[Prompt], list[str]]:
    """Prompts, and what was said on the way."""
    said: list[str] = []
    config = VideosConfig(path=path, count=count)
    prompts = prepare_video_prompts(
        folder, config, SECONDS, Arm.MONOLITHIC, model, [VIEW], least, said.append
    )
    return prompts, said


def test_what_cannot_be_a_prompt_is_left_out_and_said(videos: Path, model: EmbeddedModel, tmp_path: Path):
    prompts, said = prepare(tmp_path, videos, model)
    assert len(prompts) == 2
    expected = {
        "brief.mp4": "its plan is for 0.80 s, and prompts last 1.2 s",
        "contrary.mp4": "its plan contradicts itself: temporal.spans.0.",
        "short.mp4": "it lasts 0.80 s, and prompts 1.2 s (prompts.seconds)",
        "sound.mkv": "it has no moving picture, only audio",
        "text.mp4": "not a media file",
        "wrong.mp4": "semantics",
    }
    (empty, *left_out) = said  # nobody knows what noise sounds like
    assert empty.startswith(
        "note: the plan of b.mp4 names no sound in its first 1.2 s, so that the semantic judge"
    )
    for line, (name, why) in zip(left_out, expected.items(), strict=True):
        assert line.startswith(f"left out {name}: ")
        assert why in line
        assert "\n" not in line


def test_a_prompt_is_what_generation_sees_and_thinks(videos: Path, pool: Path, model: EmbeddedModel):
    thought, _ = prepare(pool, videos, model)[0]
    video = videos / "b.mp4"
    generator = VideoToAudio.from_pretrained("embedded", device="cpu")
    assert thought.plan == generator.plan(video, duration=SECONDS)
    assert thought.plan.duration == SECONDS
    assert thought.told.wording.arm is Arm.MONOLITHIC
    assert len(thought.told.seen.motion) == round(SECONDS * MotionEncoder.fps)
    shown = read_views(video, {"view": VIEW}, duration=SECONDS)["view"]
    np.testing.assert_array_equal(thought.views[VIEW].images, shown.images)
    assert thought.sound is not None
    true = fit_length(read_audio(video), SECONDS)
    torch.testing.assert_close(thought.sound.samples, true.samples, atol=1e-3, rtol=1e-3)


def test_a_plan_beside_a_video_is_cut_to_its_first_seconds(videos: Path, pool: Path, model: EmbeddedModel):
    _, written = prepare(pool, videos, model)[0]
    (span,) = written.plan.temporal.spans
    assert (span.event, span.onset, span.offset, span.hits) == ("s1", 0.4, SECONDS, (0.4, 1.0))
    assert [event.sound for event in written.plan.semantic.events] == ["a hammer striking"]
    assert written.plan.duration == SECONDS
    assert written.sound is None
    assert written.case().reference is None


@pytest.mark.parametrize(
    "reward", [ReferenceReward(InterauralJudge()), PublishedPlaceReward(InterauralJudge())]
)
def test_what_has_no_true_sound_is_not_compared_with_one(
    reward: Reward, videos: Path, pool: Path, model: EmbeddedModel
):
    """The reward is no number, which is left out of advantages; it is not 0."""
    prompts, _ = prepare(pool, videos, model)
    listener = PanelListener(Panel({"spatial": reward}), lambda number: prompts[number].case())
    sounds = [panned(SECONDS), hiss(SECONDS), panned(SECONDS), hiss(SECONDS)]
    rewards = listener(sounds, [0, 0, 1, 1])[:, DIMENSIONS.index("spatial")]
    assert rewards[0] > rewards[1]
    assert not rewards[:2].isnan().any()
    assert rewards[2:].isnan().all()


def test_a_mono_recording_is_no_reference_either(tmp_path: Path, model: EmbeddedModel):
    (tmp_path / "videos").mkdir()
    mono = Audio(hiss(1.4).samples[:1].expand(2, -1), 44_100)
    write_clip(tmp_path / "videos" / "mono.mov", noise(35), sound=mono)
    (prompt,), _ = prepare(tmp_path / "pool", tmp_path / "videos", model)
    sounds: Sounds = levelled([panned(SECONDS)])
    assert prompt.case().reference is not None
    assert ReferenceReward(InterauralJudge())(sounds, prompt.case()).reward.isnan().all()


def test_annotated_clips_come_with_their_plans(videos: Path, model: EmbeddedModel, tmp_path: Path):
    ledger = Ledger(tmp_path / "plans.jsonl")
    video = Path(shutil.copyfile(videos / "b.mp4", tmp_path / "b.mp4"))
    for name in ("changed", "unsaid"):
        shutil.copyfile(video, tmp_path / f"{name}.mp4")
    rows = {
        "b": {"sha256": sha256_of(video), "plan": HIT_LATE},
        "changed": {"sha256": "0" * 64, "plan": HIT_LATE},
        "gone": {"plan": HIT_LATE},
        "unsaid": {"error": "the teacher slept"},
    }
    for name, values in rows.items():
        ledger.add(Annotation(id=name, video=f"{name}.mp4", teacher="t", prompt=name, **values))
    prompts, said = prepare(tmp_path / "pool", ledger.path, model)
    assert [event.sound for event in prompts[0].plan.semantic.events] == ["a hammer striking"]
    assert len(prompts) == 1
    assert [line.split(":")[0] for line in said] == [
        f"left out {name}.mp4" for name in ("changed", "gone", "unsaid")
    ]
    for line, why in zip(said, ("annotate it again", "no such file", "the teacher slept"), strict=True):
        assert why in line


def test_an_interrupted_preparation_goes_on(
    videos: Path, model: EmbeddedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was prepared before the interruption is not watched again, and the end is as without it."""
    watch, watched = EmbeddedModel.watch, []

    def interrupted(self: EmbeddedModel, *rest: object) -> object:
        watched.append(rest)
        if len(watched) == 2:
            raise KeyboardInterrupt
        return watch(self, *rest)

    monkeypatch.setattr(EmbeddedModel, "watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, videos, model)
    prompts, _ = prepare(tmp_path, videos, model)
    assert (len(prompts), len(watched)) == (2, 3)
    again, said = prepare(tmp_path, videos, model)
    assert (len(again), len(watched), said) == (2, 3, [])
    assert all(
        torch.equal(one.told.seen.motion, two.told.seen.motion)
        for one, two in zip(prompts, again, strict=True)
    )


def test_prepared_prompts_are_of_these_videos_and_plans(
    videos: Path, pool: Path, model: EmbeddedModel, tmp_path: Path
):
    """Wherever they lie by now; but not of fewer, of more, of changed ones, nor with other plans."""
    moved = Path(shutil.copytree(videos, tmp_path / "moved"))
    assert len(prepare(pool, moved, model)[0]) == 2
    plan = moved / "inner" / "silent.plan.yaml"
    HIT_LATE.model_copy(update={"duration": 2.1}).save(plan)
    with pytest.raises(OtherPrompts, match="holds prompts of other videos or plans"):
        prepare(pool, moved, model)
    HIT_LATE.save(plan)
    with pytest.raises(OtherPrompts):
        prepare(pool, moved, model, count=3)
    shutil.copyfile(moved / "b.mp4", moved / "c.mp4")
    with pytest.raises(OtherPrompts):
        prepare(pool, moved, model)
    (moved / "c.mp4").unlink()
    with (moved / "b.mp4").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with pytest.raises(OtherPrompts):
        prepare(pool, moved, model)


def test_too_few_videos_are_told_and_bind_nothing(videos: Path, model: EmbeddedModel, tmp_path: Path):
    own = tmp_path / "videos"
    shutil.copytree(videos, own)
    with pytest.raises(TooFewVideos, match=r"only 2 of 8 videos in .* and an iteration takes 3; give more"):
        prepare(tmp_path / "pool", own, model, least=3)
    shutil.copyfile(own / "b.mp4", own / "c.mp4")
    assert len(prepare(tmp_path / "pool", own, model, least=3)[0]) == 3
    with pytest.raises(TooFewVideos, match=r"videos in .*: 9; an iteration takes 10 prompts"):
        clips_of(VideosConfig(path=own), 10)


def test_settings_of_videos_are_kept_and_others_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    scenes = read_settings(tmp_path / "none", "embedded", [])
    assert "videos" not in scenes.to_toml()
    config = read_settings(run, None, ["videos.path=clips", "videos.count=5", "training.prompts=300"])
    assert config.videos == VideosConfig(path=tmp_path / "clips", count=5)
    settle(run, config)
    monkeypatch.chdir("/")
    assert read_settings(run, None, []) == config
    assert RunConfig.resolve(run / "config.toml") == config
    for other in ("videos.path=/elsewhere", "videos.count=6"):
        with pytest.raises(OtherRun, match="holds a run with other settings"):
            settle(run, read_settings(run, None, [other]))
    for name in ("prompts.count", "prompts.seed", "prompts.stage.longest"):
        with pytest.raises(BadConfig, match=f"{name} is a setting of stage scenes, and prompts are videos"):
            read_settings(run, None, [f"{name}=3"])


def test_a_plan_of_another_video_and_a_damaged_sound_are_told(
    videos: Path, model: EmbeddedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "videos").mkdir()
    video = Path(shutil.copyfile(videos / "b.mp4", tmp_path / "videos" / "b.mp4"))
    HIT_LATE.about(videos / "short.mp4", planner="somebody").save(video.with_name("b.plan.yaml"))
    monkeypatch.setattr(
        "prismaudio.posttraining.video_prompts.read_audio", lambda path, rate: read_audio(videos / "text.mp4")
    )
    (prompt,), said = prepare(tmp_path / "pool", tmp_path / "videos", model)
    assert said[0] == "note: the plan was written by somebody for another video than b.mp4"
    assert said[1].startswith("b.mp4 is a prompt without a sound of its own: cannot read")
    assert prompt.sound is None
