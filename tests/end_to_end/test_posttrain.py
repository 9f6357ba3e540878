"""From a model to a better-paid one on the command line: tiny networks, real scenes, judges with random weights."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import torch
from command import Command

from prismaudio.backends.embedded.judges import FILES
from prismaudio.generation.loading import assets, load_embedded
from prismaudio.models.checkpoints import load_weights, read_config, read_guidance, save_weights
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.judges import AudioTextNetwork, OffsetNetwork, QualityNetwork, SeenPlaceNetwork
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.models.motionformer import Motionformer

SMALL_CODEC = {
    "mel_channels": 8,
    "mel_bands": 16,
    "width": 8,
    "encoder_blocks": 0,
    "decoder_blocks": 0,
    "phase_rounds": 2,
}
SETTINGS = {
    "prompts.count": 2,
    "prompts.seconds": 1.2,
    "held_out.count": 2,
    "held_out.seconds": 1.2,
    "training.prompts": 2,
    "training.group": 4,
    "training.steps": 4,
    "training.guidance.sampling": 1.5,
    "training.guidance.training": 1.5,
    "training.learning_rate": 1e-2,
    "training.average_every": 1,
    "training.checkpoint_every": 1,
    "examination.every": 2,
    "examination.listen": 1,
    "judging.phase_rounds": 1,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as training writes it, with a small transformer and a small codec."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    for path in assets().glob("*.safetensors"):
        (folder / path.name).symlink_to(path)
    codec = MelStereoCodec(**SMALL_CODEC)
    size = read_config(assets() / "dit.safetensors") | {"width": 64, "depth": 1, "heads": 1}
    size["latent_channels"] = codec.latent_channels
    for name, network, config in (
        ("codec", codec, SMALL_CODEC),
        ("dit", ConditionedDiT(**size), size),
    ):
        (folder / f"{name}.safetensors").unlink()
        save_weights(folder / f"{name}.safetensors", network, config)
    return folder


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What follows --judges."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("judges")
    networks = (AudioTextNetwork(), OffsetNetwork(), QualityNetwork(), SeenPlaceNetwork())
    for name, network in zip(("words", "offset", "cleanness", "place"), networks, strict=True):
        save_weights(folder / FILES[name], network, {})
    return ",".join(
        f"{dimension}=embedded:{folder}" for dimension in ("semantic", "temporal", "aesthetic", "spatial")
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts, prepared by whichever run comes first."""
    return tmp_path_factory.mktemp("prompts")


def settings(**changes: object) -> list[str]:
    return [f"--set={name}={value}" for name, value in {**SETTINGS, **changes}.items()]


def test_a_run_ends_in_folders_that_generate_and_resumes_bit_for_bit(
    prismaudio: Command, model: Path, judges: str, scenes: Path, clip: Path, tmp_path: Path
) -> None:
    """4 iterations = 2, and 2 more without a word about the settings; examinations and alarm included."""
    begin = ("--model", model, "--judges", judges, "--prompts", scenes, *settings())
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    ran = prismaudio("posttrain", "--out", whole, "--iterations", 4, *begin)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"4 iterations: weights in {whole / 'weights'}\nbest by gold: iteration ")

    assert prismaudio("posttrain", "--out", parts, "--iterations", 2, *begin).code == 0
    with (parts / "times.jsonl").open(
        "a"
    ) as times:  # of an iteration after the last checkpoint, which is made again
        times.write('{"iteration": 3}\n')
    ran = prismaudio("posttrain", "--out", parts, "--iterations", 4, "--resume", "--prompts", scenes)
    assert ran.code == 0, ran.err
    for log in ("log.jsonl", "evaluations.jsonl"):
        assert (whole / log).read_text() == (parts / log).read_text()
    took = [json.loads(line) for line in (parts / "times.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in took] == [1, 2, 3, 4]
    assert all(line["learning"] > 0 for line in took)
    one, two = (torch.load(run / "checkpoint.pt", weights_only=True) for run in (whole, parts))
    assert one["overseer"] == two["overseer"]
    for kind in ("policy", "average"):
        assert all(torch.equal(value, two[kind][name]) for name, value in one[kind].items())
    for kind in ("weights", "best"):
        files = [run / kind / "dit.safetensors" for run in (whole, parts)]
        assert files[0].read_bytes() == files[1].read_bytes()

    lines = [json.loads(line) for line in (whole / "evaluations.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 2, 4]
    assert len({line["semantic"] for line in lines}) == 3  # the averaged weights moved
    gold = max(lines, key=lambda line: line["gold"])["iteration"]
    assert f"best by gold: iteration {gold}" in ran.out
    heard = sorted(path.name for path in (whole / "eval" / "00004").iterdir())
    assert heard == ["000.flac", "scenes.json"]
    assert "rewards: semantic 2" in (whole / "weights" / "README.md").read_text()
    assert read_guidance(model / "dit.safetensors", 4.0) == 4.0
    assert load_embedded(whole / "best").guidance == 1.5
    made = prismaudio(
        "generate",
        clip,
        "--model",
        whole / "weights",
        "--audio",
        tmp_path / "made.wav",
        "-o",
        tmp_path / "made.mp4",
    )
    assert made.code == 0, made.err


def test_adapters_are_merged_into_what_is_handed_over(
    prismaudio: Command, model: Path, judges: str, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    changes = {"training.adapters.rank": 2, "training.adapters.alpha": 4}
    begin = ("--model", model, "--judges", judges, "--prompts", scenes, *settings(**changes))
    begin = (*begin, "--algorithm", "fast-grpo", "--set", "judging.by=sound")
    ran = prismaudio("posttrain", "--out", run, "--iterations", 2, "--rewards", "spatial=2,aesthetic", *begin)
    assert ran.code == 0, ran.err
    kept = tomllib.loads((run / "config.toml").read_text())
    assert kept["training"]["rewards"] == {
        "semantic": 0.0,
        "temporal": 0.0,
        "aesthetic": 1.0,
        "spatial": 2.0,
    }
    start, after = (
        ConditionedDiT(**read_config(folder / "dit.safetensors")) for folder in (model, run / "weights")
    )
    load_weights(model / "dit.safetensors", start)
    load_weights(run / "weights" / "dit.safetensors", after)
    moved = [
        name for name, value in after.state_dict().items() if not torch.equal(value, start.state_dict()[name])
    ]
    assert moved
    assert all(after.state_dict()[name].ndim == 2 for name in moved)  # matrices of linear layers alone


def test_mistakes_are_told_before_anything_is_made(
    prismaudio: Command, model: Path, judges: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    begin = ("posttrain", "--out", run, "--model", model, *settings())
    for wrong, said in (
        (("--rewards", "loudness=1"), "unknown reward 'loudness'; choose one of: semantic, temporal"),
        (("--rewards", "semantic=much"), "--rewards semantic=much: not a number"),
        (("--rewards", "semantic=0"), "no reward has a weight"),
        (("--judges", judges, "--algorithm", "grpo"), "unknown algorithm 'grpo'; choose one of: fast-grpo"),
        (("--judges", "semantic=ears"), "unknown judge of the semantic dimension 'ears'"),
        (
            ("--judges", judges.replace("temporal=embedded:", f"temporal=embedded:{tmp_path}/no")),
            "nobody can judge the temporal reward: ",
        ),
        (("--preset", "huge"), "no preset 'huge'; give embedded, published or a .toml file"),
        (("--set", "training.grup=8"), "training.grup: Extra inputs are not permitted"),
        (("--set", "training.prompts=3"), "an iteration takes 3 prompts and there are 2"),
        (("--set", "held_out.count=1"), "one held-out scene tells no distance"),
        (("--set", "held_out.seconds=3"), "prompts of 1.2 s and held-out scenes of 3 s"),
        (("--judges", judges, "--resume"), "holds no checkpoint to go on from"),
    ):
        ran = prismaudio(*begin, *wrong)
        assert ran.code == 1, (wrong, ran.out)
        assert said in ran.err, (wrong, ran.err)
        assert len(ran.err.splitlines()) == 1
    assert not (run / "checkpoint.pt").exists()
    assert not (run / "prompts").exists()


def test_other_settings_are_not_gone_on_with(
    prismaudio: Command, model: Path, judges: str, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    begin = ("posttrain", "--out", run, "--model", model, "--judges", judges, *settings())
    assert prismaudio(*begin, "--prompts", scenes, "--iterations", 1).code == 0
    ran = prismaudio(*begin, "--prompts", scenes, "--iterations", 1, "--seed", 5)
    assert (ran.code, "holds a run with other settings" in ran.err) == (1, True)
    other = shutil.copytree(scenes, tmp_path / "other")
    ran = prismaudio(
        "posttrain", "--out", tmp_path / "new", "--model", model, "--judges", judges, "--prompts", other,
        *settings(**{"prompts.seed": 9}),
    )  # fmt: skip
    assert (ran.code, "holds prompts of other settings" in ran.err) == (1, True)


@pytest.fixture
def videos(scene: Path, tmp_path: Path) -> Path:
    """A scene with its plan beside it, another film without, and a text that is none."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for path in (scene, scene.with_name("scene.plan.yaml"), assets() / "tree.mp4"):
        shutil.copyfile(path, folder / path.name)
    (folder / "text.mp4").write_text("no film")
    return folder


def test_a_run_learns_from_videos_of_ones_own(
    prismaudio: Command, model: Path, judges: str, videos: Path, tmp_path: Path
) -> None:
    """And goes on with them; a film without sound is not judged by the true one; other videos are refused."""
    run = tmp_path / "run"
    judges = ",".join([*judges.split(",")[:3], "spatial=gcc"])
    changes = settings(**{"judging.by": "sound"})
    changes.remove("--set=prompts.count=2")
    begin = ("--model", model, "--judges", judges, "--prompts", run / "prompts", *changes)
    ran = prismaudio("posttrain", "--out", run, "--videos", videos, "--iterations", 1, *begin)
    assert ran.code == 0, ran.err
    assert f"prismaudio: left out text.mp4: cannot read {videos / 'text.mp4'}: " in ran.err
    assert "1 of 2 videos have no sound: the spatial judge will say nothing of them" in ran.err
    assert tomllib.loads((run / "config.toml").read_text())["videos"] == {"path": str(videos)}
    assert "prompts: videos of videos" in (run / "best" / "README.md").read_text()

    ran = prismaudio("posttrain", "--out", run, "--resume", "--iterations", 2)
    assert ran.code == 0, ran.err
    assert "left out" not in ran.err
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["gradient_norm"] > 0 for line in log] == [True, True]
    assert [line["spatial/failed"] for line in log] == [0.5, 0.5]

    other = shutil.copytree(videos, tmp_path / "other")
    ran = prismaudio("posttrain", "--out", run, "--videos", other, "--iterations", 2, *begin)
    assert (ran.code, "holds a run with other settings" in ran.err) == (1, True)
    (other / "tree.mp4").rename(other / "a.mp4")
    ran = prismaudio("posttrain", "--out", tmp_path / "new", "--videos", other, "--iterations", 1, *begin)
    assert (ran.code, "holds prompts of other videos or plans" in ran.err) == (1, True)


def test_mistakes_with_videos_are_told(
    prismaudio: Command, model: Path, judges: str, videos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.jsonl").write_text('{"id": 3}\n')
    begin = ("posttrain", "--out", run, "--model", model, "--judges", judges)
    changes = settings(**{"training.prompts": 4})
    changes.remove("--set=prompts.count=2")
    for wrong, said in (
        (("--videos", tmp_path / "empty", *changes), "no videos in "),
        (("--videos", tmp_path / "none", *changes), "no video and no folder at "),
        (("--videos", tmp_path / "wrong.jsonl", *changes), "wrong.jsonl, line 1: "),
        (
            ("--videos", videos, *changes),
            "videos: 3; an iteration takes 4 prompts; give more videos, or lower",
        ),
        (
            ("--videos", videos, *settings()),
            "prompts.count is a setting of stage scenes, and prompts are videos",
        ),
        (("--set", "videos.count=3"), "videos.path: Field required"),
    ):
        ran = prismaudio(*begin, *wrong)
        assert ran.code == 1, (wrong, ran.out)
        assert said in ran.err, (wrong, ran.err)
        assert len(ran.err.splitlines()) == 1
    assert not run.exists()


def test_a_published_model_learns_by_the_same_code(
    prismaudio: Command, judges: str, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny one, with its encoders, from videos: files as the authors publish them become a folder of safetensors."""
    pytest.importorskip("transformers", reason="the extra 'published' is not installed")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "contract"))
    import published_files
    import tiny_encoders

    sizes = {**published_files.TRANSFORMER, "video_dim": 32, "text_dim": 32, "sync_dim": 64}
    eyes = {"width": 64, "depth": 1, "heads": 1, "patch": 16, "grid": 14, "frames": 16}
    monkeypatch.setattr(published_files, "TRANSFORMER", sizes)
    monkeypatch.setattr(published_files, "SYNCHFORMER", eyes)
    monkeypatch.setattr(published_files, "CODEC", {**published_files.CODEC, "strides": (32, 64)})
    monkeypatch.setattr(
        "prismaudio.backends.pretrained.synchformer.build_synchformer", lambda: Motionformer(**eyes)
    )
    vision = tiny_encoders.videoprism_config()
    vision.vision_config.image_size = 288
    monkeypatch.setattr(tiny_encoders, "videoprism_config", lambda: vision)
    folder, run = tmp_path / "published", tmp_path / "run"
    folder.mkdir()
    published_files.write_published(folder)
    tiny_encoders.save_videoprism(folder / "videoprism")
    tiny_encoders.save_t5gemma(folder / "t5gemma")
    changes = settings(**{"training.prompts": 1, "training.updates": 1})
    changes.remove("--set=prompts.count=2")
    ran = prismaudio(
        "posttrain", "--preset", "published", "--model", folder, "--judges", judges, "--out", run,
        "--iterations", 2, "--device", "cpu", "--videos", videos, *changes,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert {path.name for path in (run / "weights").iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "vae.safetensors",
        "synchformer.safetensors",
    }
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(line["gradient_norm"] > 0 for line in log)
