"""From other people's tables to rows of one kind: CSV with a column map, VGGSound, AudioCoT, data sets of the hub."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from prismaudio.backends.pretrained.hub_dataset import dataset_rows
from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.evaluation.canvas.manifest import Event
from prismaudio.media.files import replacing

SYNONYMS = {  # field -> columns that are taken for it where no map says otherwise, the first that is there
    "id": ("id", "name", "file"),
    "video": ("video", "path"),
    "start": ("start",),
    "end": ("end",),
    "event": ("event",),
    "classes": ("classes", "class", "labels", "label"),
    "caption": ("caption", "text"),
    "cot": ("cot", "caption_cot"),
    "plan": ("plan",),
    "audio": ("audio",),
    "source": ("source", "url"),
    "split": ("split",),
}
VGGSOUND_SECONDS = 10.0  # length of its clips


class BadTable(PrismAudioError):
    """A table that does not say what a manifest needs, or says nonsense."""


class Row(NamedTuple):
    """What a table says of one clip; its files are looked for later.

    `recording` is the stem of a longer video in which `start` and `end` count, for those who have not cut it.
    """

    id: str
    video: str | None = None  # None: the file whose stem is the id
    recording: str | None = None
    start: float = 0.0
    end: float | None = None
    event: Event | None = None
    classes: tuple[str, ...] = ()
    caption: str = ""
    cot: str = ""
    plan: str | None = None
    audio: str | None = None
    source: str = ""
    split: str = ""


class Request(NamedTuple):
    """Which table to read, and how."""

    kind: Literal["csv", "vggsound", "audiocot", "hub"]
    table: str  # a file, or a data set
    columns: str = ""
    split: str = ""
    media: Path = Path()  # hub: where films go that are inside of the data set
    vggsound: Path | None = None
    revision: str | None = None


def read_rows(asked: Request) -> Iterator[Row]:
    """All rows of the split that is asked for; all there are if none is."""
    columns, path = parse_columns(asked.columns), Path(asked.table)
    match asked.kind:
        case "csv":
            rows = csv_rows(path, columns)
        case "vggsound":
            rows = vggsound_rows(path)
        case "audiocot":
            rows = audiocot_rows(path, asked.vggsound)
        case "hub":
            return hub_rows(asked.table, asked.split or "test", columns, asked.media, asked.revision)
    return (row for row in rows if not asked.split or row.split == asked.split)


def parse_columns(text: str) -> dict[str, str]:
    """'classes=label,caption=text' -> field to column."""
    columns = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, equals, column = (x.strip() for x in part.partition("="))
        if not equals or not column:
            raise BadTable(f"--columns {part!r} has no column; write FIELD=COLUMN, between commas")
        if field not in SYNONYMS:
            raise BadTable(f"--columns: unknown field {field!r}; known: {', '.join(SYNONYMS)}")
        columns[field] = column
    return columns


def csv_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """Of a .csv whose first line names its columns."""
    with _opened(path) as file:
        table = csv.DictReader(file, strict=True)
        for number, values in _numbered(path, table):
            if None in values or None in values.values():
                raise BadTable(f"{path} line {number}: {len(table.fieldnames or [])} fields are expected")
            yield row_of(values, columns, f"{path} line {number}")


def vggsound_rows(path: Path) -> Iterator[Row]:
    """Of vggsound.csv: YouTube id, second, label, split; no head (spec planner.md 6).

    The label is one class for the whole clip; whether other things sound too, the table does not know.
    """
    with _opened(path) as file:
        for number, cells in _numbered(path, csv.reader(file, strict=True)):
            where = f"{path} line {number}"
            if len(cells) != 4:
                raise BadTable(f"{where}: {len(cells)} fields; VGGSound has YouTube id, start, label, split")
            video, start, label, split = (cell.strip() for cell in cells)
            second = _number(start, "start", where)
            yield Row(
                id=f"{video}_{int(second):06d}",
                recording=video,
                start=second,
                end=second + VGGSOUND_SECONDS,
                event="single",
                classes=(label,),
                caption=label,
                source=f"youtube:{video}",
                split=split,
            )


def audiocot_rows(path: Path, vggsound: Path | None) -> Iterator[Row]:
    """Of a CSV of AudioCoT: id, caption, caption_cot; ids are VGGSound's, whose table tells class and recording."""
    known = {row.id: row for row in vggsound_rows(vggsound)} if vggsound else {}
    for row in csv_rows(path, {"cot": "caption_cot"}):
        told = known.get(row.id, row)
        yield told._replace(caption=row.caption, cot=row.cot)


def hub_rows(
    where: str, split: str, columns: Mapping[str, str], media: Path, revision: str | None = None
) -> Iterator[Row]:
    """Of a data set of the hub or of this disk; films and sounds that are inside of it become files in `media`."""
    for number, values in enumerate(dataset_rows(where, split, revision), start=1):
        told = row_of(values, columns, f"{where} row {number}")
        yield told._replace(
            video=_file_of(_value(values, columns, "video"), media, told.id, ".mp4") or told.video,
            audio=_file_of(_value(values, columns, "audio"), media, told.id, ".wav") or told.audio,
            split=told.split or split,
        )


def row_of(values: Mapping[str, Any], columns: Mapping[str, str], where: str) -> Row:
    """One line of a table; `where` is what errors call it."""
    for field, column in columns.items():
        if column not in values:
            raise BadTable(f"{where}: no column {column!r} for {field}; there are {', '.join(values)}")
    told = {field: _value(values, columns, field) for field in SYNONYMS}
    if not str(told["id"] or "").strip():
        raise BadTable(f"{where}: no id; say which column holds it: --columns id=COLUMN")
    classes = _classes(told["classes"])
    texts = {name: _text(told[name]) for name in ("video", "plan", "audio")}
    return Row(
        id=str(told["id"]).strip(),
        start=_number(told["start"], "start", where) if _text(told["start"]) else 0.0,
        end=_number(told["end"], "end", where) if _text(told["end"]) else None,
        event=_event(_text(told["event"]), classes, where),
        classes=classes,
        caption=_text(told["caption"]) or "",
        cot=_text(told["cot"]) or "",
        source=_text(told["source"]) or "",
        split=_text(told["split"]) or "",
        **texts,
    )


def _value(values: Mapping[str, Any], columns: Mapping[str, str], field: str) -> Any:
    names = (columns[field],) if field in columns else SYNONYMS[field]
    return next((values[name] for name in names if name in values), None)


def _text(value: Any) -> str | None:
    """None for what is empty, or is no text: a film inside of a data set."""
    return None if value is None or isinstance(value, dict) else str(value).strip() or None


def _classes(value: Any) -> tuple[str, ...]:
    """A list, or words between ';' or '|': commas belong to names of classes."""
    parts = str(value or "").replace("|", ";").split(";") if not isinstance(value, list | tuple) else value
    return tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))


def _event(text: str | None, classes: tuple[str, ...], where: str) -> Event | None:
    """As the table says, else by the number of classes."""
    if text is None:
        return None if not classes else "single" if len(classes) == 1 else "multi"
    if text not in get_args(Event):
        raise BadTable(f"{where}: event {text!r}; write single or multi")
    return text  # type: ignore[return-value]  # checked on the line above


def _number(text: Any, field: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadTable(f"{where}: {field} {text!r} is no number of seconds") from error


def _file_of(value: Any, media: Path, name: str, ending: str) -> str | None:
    """The path of a film or sound that is {"path", "bytes"}; bytes are written, once."""
    if not isinstance(value, dict) or {"path", "bytes"} - value.keys():
        return None
    if value["bytes"] is None:
        return str(value["path"])
    path = media / f"{name}{Path(value['path'] or '').suffix or ending}"
    try:
        media.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(media, (error.strerror or "").lower(), "choose another place") from error
    if not path.is_file() or path.stat().st_size != len(value["bytes"]):
        with replacing(path) as temporary:
            temporary.write_bytes(value["bytes"])
    return str(path.resolve())


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise BadTable(f"cannot read {path}: {(error.strerror or '').lower()}; check the path") from error


def _numbered(path: Path, table: Any) -> Iterable[tuple[int, Any]]:
    """(line, what it holds); a line that is no CSV is told by its number."""
    try:
        for values in table:
            if values:
                yield table.line_num, values
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadTable(f"{path} line {table.line_num}: {error}; give a .csv in UTF-8") from error
