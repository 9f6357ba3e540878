"""Models of the hub: a folder is taken as it is, a download continues, and every refusal says what to do."""

import hashlib
import logging
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, TOKEN, Hub, Repo, believed, running
from huggingface_hub import constants

from prismaudio.backends.pretrained import fetching
from prismaudio.backends.pretrained.hub import keep, look_up, missing_bytes, parse, place, refusal, resolve
from prismaudio.backends.pretrained.missing import MissingExtra
from prismaudio.backends.pretrained.remote import DiskFull, GatedRepository, HubError, HubOutOfReach

MODEL = "someone/model"
BIG = random.Random(0).randbytes(3_000_000)
SMALL = b'{"model_type": "test"}'


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that the library believes to be the hub, with an empty cache."""
    repos = {
        MODEL: Repo({"config.json": SMALL, "model.ckpt": BIG, "sub/more.bin": b"more", "other.txt": b"x"}),
        "google/gated": Repo({"config.json": SMALL, "model.safetensors": BIG}, licence="gemma", gated=True),
    }
    with running(Hub(repos)) as server:
        monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
        yield believed(server, monkeypatch, tmp_path)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_taken_as_it_is(tmp_path: Path):
    assert resolve(tmp_path, ["whatever"]) == tmp_path
    assert resolve(str(tmp_path), ["whatever"]) == tmp_path


@pytest.mark.parametrize("source", ["nowhere", "./a/b", "/a/b/c", "a/b/c", "C:\\weights", "a b/c"])
def test_what_is_neither_folder_nor_name_is_refused_without_asking(source: str):
    with pytest.raises(HubError, match="no folder of weights at"):
        resolve(source, [])


def test_only_what_is_wanted_is_downloaded_and_only_once(hub: Hub):
    told: list[tuple[str, float]] = []
    folder = resolve(MODEL, ["config.json", "*.ckpt"], ["sub/*", "absent"], lambda *what: told.append(what))
    assert names(folder) == {"config.json", "model.ckpt", "sub/more.bin"}
    assert (folder / "model.ckpt").read_bytes() == BIG
    assert ("model.ckpt", 1.0) in told
    shares = [share for name, share in told if name == "model.ckpt"]
    assert shares == sorted(shares)
    assert resolve(MODEL, ["config.json", "*.ckpt"], ["sub/*"]) == folder
    assert hub.sent == {"config.json": len(SMALL), "model.ckpt": len(BIG), "sub/more.bin": 4}


def test_the_library_itself_finds_what_was_downloaded(hub: Hub):
    from huggingface_hub import hf_hub_download, snapshot_download

    folder = resolve(MODEL, ["*.ckpt"])
    before = hub.sent.copy()
    assert Path(hf_hub_download(MODEL, "model.ckpt")) == folder / "model.ckpt"
    assert Path(snapshot_download(MODEL, local_files_only=True)) == folder
    assert hub.sent == before


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_revision_can_be_named(hub: Hub, revision: str):
    assert resolve(f"{MODEL}@{revision}", ["config.json"]).name == COMMIT


def test_a_broken_connection_is_taken_up_again_at_once(hub: Hub):
    hub.cut["model.ckpt"] = 1_200_000
    assert (resolve(MODEL, ["model.ckpt"]) / "model.ckpt").read_bytes() == BIG
    assert hub.sent["model.ckpt"] == len(BIG)


def test_an_interrupted_download_continues_in_the_next_run(hub: Hub):
    hub.cut["model.ckpt"], hub.down_after_cut = 2_000_000, True
    with pytest.raises(HubOutOfReach, match=r"answers 503.*what has arrived is kept"):
        resolve(MODEL, ["model.ckpt"])
    hub.down = False
    file = look_up(parse(MODEL), ["model.ckpt"]).files[0]
    assert missing_bytes(file, None) == 1_000_000
    assert (resolve(MODEL, ["model.ckpt"]) / "model.ckpt").read_bytes() == BIG
    assert hub.sent["model.ckpt"] == len(BIG)
    assert missing_bytes(file, None) == 0


def test_an_interruption_by_hand_keeps_what_has_arrived(hub: Hub):
    class Interrupted(BaseException):
        pass

    def interrupt(name: str, share: float) -> None:
        if share > 0.5:
            raise Interrupted

    with pytest.raises(Interrupted):
        resolve(MODEL, ["model.ckpt"], progress=interrupt)
    file = look_up(parse(MODEL), ["model.ckpt"]).files[0]
    kept = len(BIG) - missing_bytes(file, None)
    assert kept > 1_000_000
    assert (resolve(MODEL, ["model.ckpt"]) / "model.ckpt").read_bytes() == BIG


def test_a_server_that_cannot_continue_begins_again(hub: Hub):
    hub.cut["model.ckpt"], hub.continues = 1_200_000, False
    assert (resolve(MODEL, ["model.ckpt"]) / "model.ckpt").read_bytes() == BIG
    assert hub.sent["model.ckpt"] == 1_200_000 + len(BIG)


def test_a_server_that_sends_nothing_more_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "append", lambda *_: None)
    with pytest.raises(HubOutOfReach, match=r"sends no more of model.ckpt"):
        resolve(MODEL, ["model.ckpt"])


@pytest.mark.parametrize("wrong", [BIG[:-1] + b"?", BIG + b"more"], ids=["bytes", "length"])
def test_damage_on_the_way_is_noticed_and_not_kept(hub: Hub, wrong: bytes):
    hub.lies["model.ckpt"] = wrong
    with pytest.raises(HubError, match=r"model.ckpt of someone/model arrived damaged"):
        resolve(MODEL, ["model.ckpt"])
    hub.lies.clear()
    assert (resolve(MODEL, ["model.ckpt"]) / "model.ckpt").read_bytes() == BIG


def test_the_token_stays_with_the_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    folder = resolve("google/gated", ["model.safetensors"])
    assert (folder / "model.safetensors").read_bytes() == BIG
    assert not hub.tokens_elsewhere


def test_a_gated_model_says_which_page_to_open_and_how_to_log_in(hub: Hub):
    with pytest.raises(GatedRepository) as caught:
        resolve("google/gated", ["config.json"])
    assert f"accept its terms at {hub.endpoint}/google/gated" in str(caught.value)
    assert "'hf auth login' or set HF_TOKEN" in str(caught.value)


def test_access_to_a_gated_model_is_known_before_the_download(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    gated = look_up(parse("google/gated"), ["*"])
    assert (gated.licence, gated.gated) == ("gemma", True)
    assert isinstance(refusal(gated), GatedRepository)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert refusal(gated) is None
    assert refusal(look_up(parse(MODEL), ["*"])) is None
    assert not hub.sent


def test_names_nobody_has_are_told_apart(hub: Hub):
    with pytest.raises(HubError, match=r"neither a folder no/body nor a model of that name at http://127"):
        resolve("no/body", [])
    with pytest.raises(HubError, match=r"someone/model has no revision v9; give a branch"):
        resolve(f"{MODEL}@v9", ["config.json"])
    with pytest.raises(HubError, match=r"someone/model lacks \*.npz; it holds config.json, model.ckpt"):
        resolve(MODEL, ["config.json", "*.npz"])
    with pytest.raises(HubError, match="lacks all of a, b"):
        resolve(MODEL, [], ["a", "b"])
    with pytest.raises(HubError, match="neither a folder nor a name that models have"):
        resolve("a--b/c", [])


def test_without_network_an_earlier_download_is_used_and_said(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    folder = resolve(MODEL, ["config.json"])
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with caplog.at_level(logging.WARNING, "prismaudio"):
        assert resolve(MODEL, ["config.json"]) == folder
    assert "cannot reach http://127.0.0.1:9" in caplog.text
    with pytest.raises(HubOutOfReach, match=r"cannot reach http://127.0.0.1:9 .*; check the network"):
        resolve(MODEL, ["config.json", "*.ckpt"])


def test_offline_means_the_cache_or_nothing(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    folder = resolve(MODEL, ["config.json"])
    before = list(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve(MODEL, ["config.json"]) == folder
    with pytest.raises(HubOutOfReach, match=r"not on this machine and HF_HUB_OFFLINE is set; unset it"):
        resolve(MODEL, ["config.json", "*.ckpt"])
    assert hub.requests == before


def test_what_answers_but_is_no_hub_is_out_of_reach(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("json.dumps", lambda *_: "<html>log in to this network</html>")
    with pytest.raises(HubOutOfReach, match="cannot reach"):
        look_up(parse(MODEL), ["config.json"])


def test_a_full_disk_is_known_before_and_told_after(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = look_up(parse(MODEL), ["model.ckpt"]).files[0]
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(DiskFull, match=r"0.00 GB free of the 0.00 GB needed; free some space"):
            keep(file)
    assert not hub.sent


def test_a_folder_of_ones_own_is_filled_and_never_overwritten(hub: Hub, tmp_path: Path):
    files = look_up(parse(MODEL), ["model.ckpt", "sub/*"]).files
    paths = [place(file, tmp_path / "mine") for file in files]
    assert [path.read_bytes() for path in paths] == [BIG, b"more"]
    assert names(tmp_path / "mine") == {"model.ckpt", "sub/more.bin"}
    place(files[0], tmp_path / "mine")
    assert hub.sent["model.ckpt"] == len(BIG)
    paths[0].write_bytes(b"mine")
    with pytest.raises(
        HubError, match=r"exists and is not that of someone/model \(4 bytes instead of 3000000"
    ):
        place(files[0], tmp_path / "mine")
    assert paths[0].read_bytes() == b"mine"


def test_a_download_into_a_folder_continues_too(hub: Hub, tmp_path: Path):
    file = look_up(parse(MODEL), ["model.ckpt"]).files[0]
    hub.cut["model.ckpt"], hub.down_after_cut = 2_000_000, True
    with pytest.raises(HubOutOfReach):
        place(file, tmp_path / "mine")
    assert missing_bytes(file, tmp_path / "mine") == 1_000_000
    hub.down = False
    assert hashlib.sha256(place(file, tmp_path / "mine").read_bytes()).hexdigest() == file.sha256
    assert hub.sent["model.ckpt"] == len(BIG)


def test_a_place_that_cannot_be_written_is_named(hub: Hub):
    file = look_up(parse(MODEL), ["model.ckpt"]).files[0]
    with pytest.raises(HubError, match=r"cannot write at /proc/.*choose another folder"):
        place(file, Path("/proc/mine"))


def test_without_the_library_the_extra_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r'pip install "prismaudio\[published\]"'):
        resolve(MODEL, [])
