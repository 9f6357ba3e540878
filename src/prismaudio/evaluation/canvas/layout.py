"""The clips of a manifest laid out as the folders that the suite reads: one file a clip, named by its id.

Clips that are whole videos are links; clips that are parts of longer ones are cut once, and kept.
"""

import csv
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from prismaudio.errors import CannotWrite
from prismaudio.evaluation.canvas.manifest import Entry, Manifest, TextKind
from prismaudio.media.audio import read_audio, write_audio
from prismaudio.media.files import replacing
from prismaudio.media.preprocess import View
from prismaudio.media.video import iter_view_chunks, probe
from prismaudio.stage.film import encode
from prismaudio.types import Audio

FPS = 25
CHUNK_SECONDS = 10.0
VIDEOS, REFERENCES, TEXTS, CUTS = "videos", "references", "texts.csv", "cuts"


class Laid(NamedTuple):
    """Where the clips are; None and a note for what not every clip has."""

    videos: Path
    references: Path | None
    texts: Path | None
    notes: tuple[str, ...]


def lay_out(manifest: Manifest, folder: Path, text: TextKind = "caption") -> Laid:
    """In `folder`; what an earlier call laid out of another manifest goes away, cuts stay."""
    entries, notes = manifest.entries, []
    for name in (VIDEOS, REFERENCES):
        shutil.rmtree(folder / name, ignore_errors=True)
    try:
        (folder / VIDEOS).mkdir(parents=True)
    except OSError as error:
        raise CannotWrite(folder, (error.strerror or "").lower(), "choose another folder") from error
    for entry in tqdm(entries, desc="clips", disable=None):
        _link(video_of(manifest, entry, folder / CUTS), folder / VIDEOS, entry.id)
    references = None
    if lacking := [entry.id for entry in entries if entry.audio is None]:
        notes.append(f"{len(lacking)} of {len(entries)} clips have no true sound (first: {lacking[0]})")
    else:
        references = folder / REFERENCES
        references.mkdir()
        for entry in entries:
            _link(reference_of(manifest, entry, folder / CUTS), references, entry.id)
    texts = {entry.id: manifest.text_of(entry, text) for entry in entries}
    if lacking := [name for name, words in texts.items() if not words]:
        notes.append(f"{len(lacking)} of {len(entries)} clips have no {text} (first: {lacking[0]})")
    table = None if lacking else _write_texts(texts, folder / TEXTS)
    return Laid(folder / VIDEOS, references, table, tuple(notes))


def _write_texts(texts: dict[str, str], path: Path) -> Path:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(("name", "text"))
    writer.writerows(texts.items())
    with replacing(path) as temporary:
        temporary.write_text(rows.getvalue(), encoding="utf-8")
    return path


def video_of(manifest: Manifest, entry: Entry, cuts: Path) -> Path:
    source = manifest.file(entry.video)
    if entry.whole or not source.is_file():
        return source
    return _kept(cuts, entry, ".mp4", lambda path: cut_film(source, entry.start, entry.end, path))


def reference_of(manifest: Manifest, entry: Entry, cuts: Path) -> Path:
    """A sound of its own is the clip's alone; the sound of a longer video is cut as its picture is."""
    assert entry.audio is not None
    source = manifest.file(entry.audio)
    if entry.whole or entry.audio != entry.video or not source.is_file():
        return source
    return _kept(
        cuts,
        entry,
        ".wav",
        lambda path: write_audio(path, cut_sound(source, entry.start, entry.end), "FLOAT"),
    )


def _kept(cuts: Path, entry: Entry, ending: str, write: Callable[[Path], None]) -> Path:
    """The cut that belongs to this content and these seconds."""
    key = hashlib.sha256(f"{entry.sha256} {entry.start} {entry.end}".encode()).hexdigest()[:32]
    path = cuts / f"{key}{ending}"
    if not path.is_file():
        cuts.mkdir(parents=True, exist_ok=True)
        write(path)
    return path


def cut_film(source: Path, start: float, end: float | None, path: Path) -> None:
    """A silent film of some seconds of another, at 25 frames a second."""
    info = probe(source)
    size = (info.width - info.width % 2, info.height - info.height % 2)
    view = {"view": View(FPS, *size, fit="stretch")}
    seconds = min(end or info.duration, info.duration) - start
    chunks = iter_view_chunks(source, view, CHUNK_SECONDS, start=start, duration=max(seconds, 1 / FPS))
    with replacing(path) as temporary:
        encode(temporary, (image for chunk in chunks for image in chunk.frames["view"].images), size)


def cut_sound(source: Path, start: float, end: float | None) -> Audio:
    audio = read_audio(source, sample_rate=None)
    first = round(start * audio.sample_rate)
    last = None if end is None else round(end * audio.sample_rate)
    return Audio(audio.samples[:, first:last], audio.sample_rate)


def _link(source: Path, folder: Path, name: str) -> None:
    """A link, or a copy where the system makes no links. A file that is missing is left for the suite to count."""
    if not source.is_file():
        return
    target = folder / f"{name}{source.suffix.lower()}"
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
