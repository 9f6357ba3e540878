"""From the hub to a folder that plays: what is asked, what is told, and what survives an interruption.

The program runs in a process of its own, against a hub on loopback that HF_ENDPOINT names.
"""

import dataclasses
import hashlib
import io
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command import Outcome
from hub_server import TOKEN, Hub, Repo, running
from published_files import prismaudio_state, synchformer_state, vae_state, write_published

from prismaudio.cli.convert import Numbers, convert
from prismaudio.errors import CannotWrite
from prismaudio.weights.folder import find_files, load_generator

PROGRAM = "from prismaudio.cli.main import main; main()"
MODEL, SEES, READS = (
    "FunAudioLLM/PrismAudio",
    "google/videoprism-lvt-large-f8r288",
    "google/t5gemma-l-l-ul2-it",
)
Run = Callable[..., Outcome]


def saved(content: object) -> bytes:
    """As torch.save writes it."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def repos() -> dict[str, Repo]:
    """The three repositories, of small models. The first file is the largest, as in truth."""
    padding = {"autoencoder_ema.padding": torch.randn(500_000)}  # a trainer's, which is not read
    return {
        MODEL: Repo(
            {
                "prismaudio.ckpt": saved(prismaudio_state()),
                "vae.ckpt": saved({"state_dict": vae_state() | padding}),
                "synchformer_state_dict.pth": saved(synchformer_state()),
                "README.md": b"# A card",
            }
        ),
        SEES: Repo({"flax_lvt_large_f8r288_repeated.npz": bytes(5002)}, licence="apache-2.0"),
        READS: Repo(
            {
                "config.json": b'{"model_type": "t5gemma"}',
                "model.safetensors": bytes(7000),
                "tokenizer.json": b"{}",
                "tokenizer_config.json": b"{}",
            },
            licence="gemma",
            gated=True,
        ),
    }


@pytest.fixture
def hub(repos: dict[str, Repo]) -> Iterator[Hub]:
    with running(Hub(dict(repos))) as server:
        yield server


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return kept | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: object, limit: int | None = None, **variables: str) -> Outcome:
        def smaller_files() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            env=environment | variables,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=smaller_files,  # noqa: PLW1509  # one thread runs here
        )
        return Outcome(ended.returncode, ended.stdout, ended.stderr)

    return run


def told(outcome: Outcome) -> str:
    """The one line that says why it could not be done."""
    assert outcome.code == 1, outcome
    assert outcome.err.startswith("prismaudio: ")
    assert outcome.err.count("\n") == 1
    return outcome.err


def digests(repo: Repo, *names: str) -> set[str]:
    return {hashlib.sha256(repo.files[name]).hexdigest() for name in names}


def test_a_dry_run_tells_sizes_purposes_licences_and_space_and_downloads_nothing(run: Run, hub: Hub):
    outcome = run("download", "--dry-run")
    assert outcome.code == 0, outcome
    lines = outcome.out.splitlines()
    for repo in (MODEL, SEES, READS):
        for name, content in hub.repos[repo].files.items():
            rows = [line for line in lines if line.startswith(f"{name} ") and repo in line]
            assert bool(rows) == (name != "README.md")
            if len(content) >= 1000 and rows:
                assert any(unit in rows[0] for unit in (" MB ", " kB "))
    assert "licence on the hub: mit" in outcome.out
    assert "research and education only, no commercial use" in outcome.out
    assert "licence on the hub: gemma. Gemma Terms of Use" in outcome.out
    assert f"accept its terms at {hub.endpoint}/{READS}" in outcome.out
    total = sum(
        len(content)
        for repo in hub.repos.values()
        for name, content in repo.files.items()
        if name != "README.md"
    )
    assert f"{total / 1e6:.2f} MB in all, {total / 1e6:.2f} MB still to come; " in outcome.out
    assert "GB free at" in outcome.out
    assert not hub.sent


def test_without_anybody_to_ask_nothing_is_downloaded(run: Run, hub: Hub):
    assert "give --yes to download" in told(run("download", "--no-encoders"))
    assert not hub.sent


def test_a_gated_model_stops_the_download_before_it_begins(run: Run, hub: Hub):
    line = told(run("download", "--yes"))
    assert f"{READS} is gated: accept its terms at {hub.endpoint}/{READS}" in line
    assert "'hf auth login' or set HF_TOKEN; or leave it out with --no-encoders" in line
    assert not hub.sent


def test_a_gated_generator_cannot_be_left_out(run: Run, hub: Hub):
    hub.repos["own/gated"] = dataclasses.replace(hub.repos[MODEL], gated=True)
    line = told(run("download", "own/gated", "--no-encoders"))  # before anybody is asked
    assert "own/gated is gated" in line
    assert "--no-encoders" not in line
    assert not hub.sent


def test_a_file_that_changed_since_is_noticed(run: Run, hub: Hub, tmp_path: Path):
    arguments = ("download", "--yes", "--no-encoders", "--to", tmp_path)
    assert run(*arguments).code == 0
    path = tmp_path / "vae.ckpt"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert f"{path} has another SHA-256 than {MODEL} announces; delete it" in told(run(*arguments))


def test_whoever_may_gets_everything_and_the_digests(run: Run, hub: Hub, tmp_path: Path):
    outcome = run("download", "--yes", "--to", tmp_path / "weights", HF_TOKEN=TOKEN)
    assert outcome.code == 0, outcome
    shown = set(re.findall(r"^[0-9a-f]{64}\b", outcome.out, re.MULTILINE))
    for repo, wanted in (
        (MODEL, ["prismaudio.ckpt", "vae.ckpt", "synchformer_state_dict.pth"]),
        (SEES, ["flax_lvt_large_f8r288_repeated.npz"]),
        (READS, ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]),
    ):
        assert digests(hub.repos[repo], *wanted) <= shown
    files = find_files(tmp_path / "weights")
    assert (files.videoprism, files.t5gemma) == (
        tmp_path / "weights" / "videoprism",
        tmp_path / "weights" / "t5gemma",
    )
    assert not hub.tokens_elsewhere
    before = hub.sent.copy()
    assert run("download", "--to", tmp_path / "weights", HF_TOKEN=TOKEN).code == 0  # nothing to be asked for
    assert hub.sent == before
    assert not list((tmp_path / "weights").rglob(".*"))


def test_a_download_that_broke_off_continues(run: Run, hub: Hub):
    content = hub.repos[MODEL].files["vae.ckpt"]
    hub.cut["vae.ckpt"], hub.down_after_cut = len(content) // 2, True
    assert "answers 503" in told(run("download", "--yes", "--no-encoders"))
    assert hub.sent["vae.ckpt"] == len(content) // 2
    hub.down = False
    outcome = run("download", "--yes", "--no-encoders")
    assert outcome.code == 0, outcome
    assert digests(hub.repos[MODEL], "vae.ckpt").pop() in outcome.out
    assert all(hub.sent[name] == len(hub.repos[MODEL].files[name]) for name in hub.sent)


def test_ctrl_c_keeps_what_has_arrived(run: Run, hub: Hub, environment: dict[str, str], tmp_path: Path):
    content = hub.repos[MODEL].files["vae.ckpt"]
    hub.stall["vae.ckpt"] = len(content) // 2
    arguments = ["download", "--yes", "--no-encoders", "--to", tmp_path / "weights"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert hub.stalled.wait(60)
        partial = tmp_path / "weights"
        while not any(path.stat().st_size == len(content) // 2 for path in partial.glob(".vae*")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "prismaudio: interrupted\n")
    assert run(*arguments).code == 0
    assert hub.sent["vae.ckpt"] == len(content)
    assert (tmp_path / "weights" / "vae.ckpt").read_bytes() == content


def test_a_full_disk_is_one_line_and_the_rest_comes_later(run: Run, hub: Hub, tmp_path: Path):
    arguments = ("download", "--yes", "--no-encoders", "--to", tmp_path / "weights")
    line = told(run(*arguments, limit=len(hub.repos[MODEL].files["vae.ckpt"]) - 10_000))
    assert "the disk is full" in line
    assert "what has arrived is kept" in line
    assert run(*arguments).code == 0
    assert (tmp_path / "weights" / "vae.ckpt").read_bytes() == hub.repos[MODEL].files["vae.ckpt"]


@pytest.mark.parametrize(
    ("arguments", "told_of"),
    [
        (["download", "no/body", "--yes"], "neither a folder no/body nor a model of that name"),
        (["download", f"{MODEL}@v9", "--yes"], "has no revision v9"),
        (["download", "nonsense", "--yes"], "no folder of weights at nonsense"),
        (["convert", "nowhere", "out"], "no folder of weights at nowhere"),
        (["convert", "no/body", "out"], "neither a folder no/body nor a model"),
        (["convert", "nowhere.npz", "out"], "no weights at nowhere.npz"),
        (["download", "--yes", "--no-encoders", "--to", "/proc/x"], "/proc/x has 0 B free of the"),
    ],
)
def test_what_cannot_be_had_is_one_line(run: Run, arguments: list[str], told_of: str):
    assert told_of in told(run(*arguments))


def test_offline_says_so(run: Run):
    assert "HF_HUB_OFFLINE is set" in told(run("download", "--yes", HF_HUB_OFFLINE="1"))


def test_from_the_hub_to_a_folder_that_loads(run: Run, hub: Hub, tmp_path: Path):
    """By way of a folder, and by way of the cache; the same files come out."""
    assert run("download", "--yes", "--no-encoders", "--to", tmp_path / "weights").code == 0
    for source, out in ((tmp_path / "weights", "a"), (MODEL, "b")):
        outcome = run("convert", source, tmp_path / out)
        assert outcome.code == 0, outcome
        assert f"wrote {tmp_path / out / 'config.json'}" in outcome.out
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    before, after = (load_generator(find_files(tmp_path / name)) for name in ("weights", "a"))
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(tensor, after.model.state_dict()[name])


def test_conversion_takes_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    weights, out = tmp_path / "weights", tmp_path / "out"
    weights.mkdir()
    write_published(weights)
    convert(str(weights), out, Numbers.BFLOAT16)
    assert '"bfloat16"' in (out / "config.json").read_text()
    with pytest.raises(CannotWrite, match="it exists"):
        convert(str(weights), out)
    convert(str(weights), out, force=True)
    assert '"float32"' in (out / "config.json").read_text()
    assert f"wrote {out / 'model.safetensors'}" in capsys.readouterr().out
