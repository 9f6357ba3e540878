"""Manifests say what is wrong by line, and other people's tables become manifests."""

import json
from pathlib import Path

import numpy as np
import pytest
from canvases import benchmark, entry, face, write_film
from media_clips import write_clip
from suite_folders import sound

from prismaudio.backends.pretrained.hub_dataset import NoDataset
from prismaudio.evaluation.canvas.adapters import BadTable, Request, parse_columns, read_rows
from prismaudio.evaluation.canvas.collecting import NothingFound, Places, collect
from prismaudio.evaluation.canvas.layout import lay_out
from prismaudio.evaluation.canvas.manifest import BadManifest, Entry, Manifest, verify
from prismaudio.media.audio import read_audio
from prismaudio.media.preprocess import View
from prismaudio.media.video import probe, read_views
from prismaudio.types import Audio

DIGEST = "0" * 64
THOUGHTS = {"semantic": "Generate the sound of a dog barking.", "temporal": "First a dog barking twice."}


def lines(path: Path, *changed: dict[str, object]) -> Path:
    """A manifest of one good clip and those that are given."""
    good = {"id": "a", "video": "a.mp4", "sha256": DIGEST}
    rows = [good, *(good | {"id": f"c{n}"} | change for n, change in enumerate(changed))]
    head = {"format": "prismaudio-canvas/1", "name": "x", "clips": len(rows)}
    path.write_text("\n".join(json.dumps(row) for row in (head, *rows)) + "\n")
    return path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, "a\u2028b", 1, cot=THOUGHTS),
        entry(
            tmp_path, "-c", 2, event="multi", classes=("dog", "rain, heavy"), cot="a dog, then rain",
            start=0.5, end=2.0,
        ),
    ]  # fmt: skip
    manifest = benchmark(tmp_path, entries)
    again = Manifest.load(manifest.path)
    assert again == manifest
    assert again.text_of(entries[0]) == "a dog barking"
    assert again.text_of(entries[0], "semantic") == THOUGHTS["semantic"]
    assert again.text_of(entries[1], "classes") == "dog, rain, heavy"
    plan = again.plan_of(entries[0], 3.0)
    assert plan is not None
    assert [event.sound for event in plan.semantic.events] == ["a dog barking"]
    assert list(verify(again)) == []


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    manifest = benchmark(tmp_path, [entry(tmp_path, "a", 1), entry(tmp_path, "b", 2)])
    (tmp_path / "videos" / "a.mp4").write_bytes(b"other")
    (tmp_path / "references" / "b.wav").unlink()
    assert dict(verify(manifest)) == {
        "a": "video videos/a.mp4 is another file than the one the manifest was made of",
        "b": "audio references/b.wav is missing",
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sha256": "abc"}, "line 3: sha256"),
        ({"video": "/a.mp4"}, "line 3: plan: video: '/a.mp4' is not relative to the manifest"),
        ({"start": 2.0, "end": 1.0}, "does not come after start 2"),
        ({"event": "single", "classes": ["a", "b"]}, "a single event of 2 classes"),
        ({"id": "A"}, "line 3: id 'A' is that of line 2 too"),
        ({"id": "a/b"}, "cannot be the name of a file"),
        ({"audio": "a.wav"}, "audio and audio_sha256 come together"),
        ({"cot": {"smell": "x"}}, "cot names ['smell']"),
        ({"colour": 1}, "line 3: colour"),
    ],
)
def test_what_is_wrong_is_told_by_line(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    with pytest.raises(BadManifest) as told:
        Manifest.load(lines(tmp_path / "m.jsonl", change))
    assert problem.replace("plan: ", "") in str(told.value).replace("plan: ", "")
    assert "\n" not in str(told.value)


def test_a_manifest_that_was_cut_or_is_none_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", {})
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(BadManifest, match="line 1: clips: 2 are announced and 1 follow"):
        Manifest.load(path)
    path.write_text('{"format": "other/1"}\n')
    with pytest.raises(BadManifest, match="line 1: format"):
        Manifest.load(path)
    with pytest.raises(BadManifest, match="no such file"):
        Manifest.load(tmp_path / "none.jsonl")


def table(folder: Path, text: str, name: str = "table.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_folder_with_a_csv_becomes_a_manifest(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        write_film(tmp_path / "films" / f"{name}.mp4", number)
    text = 'name,what,words\na,dog;rain,"barks, then rains"\nb,cat,meows\nc,cat,gone\n'
    asked = Request("csv", table(tmp_path, text), "classes=what,caption=words")
    found = collect(read_rows(asked), Places(tmp_path / "films"), tmp_path / "out" / "m.jsonl")
    a, b = found.manifest.entries
    assert (a.id, a.event, a.classes, a.caption) == ("a", "multi", ("dog", "rain"), "barks, then rains")
    assert (b.event, b.classes, b.video, b.audio) == ("single", ("cat",), "../films/b.mp4", "../films/b.mp4")
    assert found.missing == {"c": "no video of that name"}
    assert "2 of 3 clips are there; 1: no video of that name (first: c)" in found.summary()
    silent = collect(read_rows(asked), Places(tmp_path / "films", silent=True), tmp_path / "m.jsonl")
    assert silent.manifest.entries[0].audio is None


def test_vggsound_finds_cut_clips_and_cuts_longer_ones(tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "-abc_000030.mp4", 1)
    write_clip(tmp_path / "films" / "_de.mp4", face(2), fps=10, sound=Audio(sound(3, 3.0).samples, 16_000))
    text = '-abc,30,"dog barking, howling",test\n_de,1,rain,test\n_de,2,rain,train\ngone,0,cat,test\n'
    rows = read_rows(Request("vggsound", table(tmp_path, text), split="test"))
    found = collect(rows, Places(tmp_path / "films"), tmp_path / "m.jsonl")
    whole, cut = found.manifest.entries
    assert (whole.id, whole.whole, whole.classes) == ("-abc_000030", True, ("dog barking, howling",))
    assert (cut.id, cut.video, cut.start, cut.end) == ("_de_000001", "films/_de.mp4", 1.0, 11.0)
    assert cut.source == "youtube:_de"
    assert list(found.missing) == ["gone_000000"]


def test_a_part_of_a_longer_video_is_laid_out_in_picture_and_sound(tmp_path: Path) -> None:
    both = sound(3, 3.0)
    film = write_clip(tmp_path / "long.mp4", face(2), fps=10, sound=Audio(both.samples.repeat(1, 2), 44_100))
    told = {"video": "long.mp4", "sha256": DIGEST, "audio": "long.mp4", "audio_sha256": DIGEST}
    part = Entry(id="part", start=1.0, end=2.0, classes=("dog",), **told)
    laid = lay_out(benchmark(tmp_path, [part]), tmp_path / "clips")
    view = {"v": View(25, 64, 64, fit="stretch")}
    seen = read_views(laid.videos / "part.mp4", view)["v"].images
    true = read_views(film, view, start=1.0, duration=1.0)["v"].images
    assert probe(laid.videos / "part.mp4").duration == pytest.approx(1.0, abs=0.05)
    assert not probe(laid.videos / "part.mp4").has_audio
    other = read_views(film, view, start=0.0, duration=1.0)["v"].images
    far, near = (np.abs(seen.astype(int) - images.astype(int)).mean() for images in (other, true))
    assert near < 0.7 * far
    assert laid.references is not None
    heard, whole = read_audio(laid.references / "part.wav", None), read_audio(film, None)
    assert heard.samples.equal(whole.samples[:, 44_100 : 2 * 44_100])


def test_audiocot_takes_classes_from_vggsound(tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "x_000010.mp4", 1)
    vggsound = Path(table(tmp_path, "x,10,cat meowing,test\n", "vgg.csv"))
    cot = table(tmp_path, "id,caption,caption_cot\nx_000010,A cat meows.,First a cat meows.\n")
    (row,) = read_rows(Request("audiocot", cot, vggsound=vggsound))
    assert (row.classes, row.caption, row.cot) == (("cat meowing",), "A cat meows.", "First a cat meows.")
    (bare,) = read_rows(Request("audiocot", cot))
    assert (bare.classes, bare.event) == ((), None)


def test_a_data_set_on_this_disk_is_read_by_its_column_map(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    film = write_film(tmp_path / "films" / "one.mp4", 1)
    rows = [
        {
            "key": "a",
            "clip": {"path": "a.mp4", "bytes": film.read_bytes()},
            "tags": ["dog", "rain"],
            "said": "x",
        }
    ]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "set"))
    asked = Request(
        "hub", str(tmp_path / "set"), "id=key,video=clip,classes=tags,caption=said", media=tmp_path / "put"
    )
    found = collect(read_rows(asked), Places(tmp_path / "films"), tmp_path / "m.jsonl")
    (one,) = found.manifest.entries
    assert (one.id, one.event, one.classes, one.video, one.split) == (
        "a",
        "multi",
        ("dog", "rain"),
        "put/a.mp4",
        "test",
    )
    assert (tmp_path / "put" / "a.mp4").read_bytes() == film.read_bytes()


def test_a_folder_of_json_lines_is_a_data_set_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_text('{"id": "a", "video": "one.mp4", "label": "dog"}\n')
    (row,) = read_rows(Request("hub", str(tmp_path / "set")))
    assert (row.id, row.video, row.classes, row.event) == ("a", "one.mp4", ("dog",), "single")
    with pytest.raises(NoDataset, match="'train'"):
        list(read_rows(Request("hub", str(tmp_path / "set"), split="train")))


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("csv", "x,y\n1,2\n", "line 2: no id"),
        ("csv", "id,start\na,soon\n", "line 2: start 'soon' is no number"),
        ("csv", "id,event\na,many\n", "event 'many'; write single or multi"),
        ("csv", "id,label\na\n", "line 2: 2 fields are expected"),
        ("vggsound", "a,1,dog\n", "line 1: 3 fields"),
        ("vggsound", "a,x,dog,test\n", "line 1: start 'x'"),
    ],
)
def test_a_bad_table_is_told_by_line(tmp_path: Path, kind: str, text: str, problem: str) -> None:
    with pytest.raises(BadTable) as told:
        list(read_rows(Request(kind, table(tmp_path, text))))
    assert problem in str(told.value)


def test_a_column_map_names_known_fields_and_columns_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="unknown field 'colour'"):
        parse_columns("colour=x")
    with pytest.raises(BadTable, match="FIELD=COLUMN"):
        parse_columns("classes")
    with pytest.raises(BadTable, match="no column 'what' for classes; there are id"):
        list(read_rows(Request("csv", table(tmp_path, "id\na\n"), "classes=what")))
    write_film(tmp_path / "films" / "b.mp4", 1)
    with pytest.raises(NothingFound, match="no video of that name"):
        collect(
            read_rows(Request("csv", table(tmp_path, "id\na\n"))),
            Places(tmp_path / "films"),
            tmp_path / "m.jsonl",
        )
