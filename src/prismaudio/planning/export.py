"""Annotations as the training data of other programs: one question, one video, one answer in four paragraphs.

ms-swift reads `messages` beside `videos`, a JSON object per line; LLaMA-Factory reads lists of `conversations` with
`videos`, and finds them through a dataset_info.json; VideoLLaMA2 reads a list of `video` and `conversations`.
"""

import json
from collections.abc import Iterable, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any, Literal, get_args

from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.media.files import replacing
from prismaudio.planning.curriculum import Lesson

Format = Literal["ms-swift", "llama-factory", "videollama2"]
FORMATS: tuple[str, ...] = get_args(Format)
VIDEO = "<video>"  # stands for the video in a question, in all three
INDEX = "dataset_info.json"


class BadIndex(PrismAudioError):
    """A dataset_info.json that is no list of data sets."""


def export(lessons: Sequence[Lesson], kind: str, out: Path) -> list[Path]:
    """Write them in a format, and beside LLaMA-Factory's its entry; -> the files."""
    out = out.resolve()
    if kind == "ms-swift":
        lines = (json.dumps(ms_swift(lesson), ensure_ascii=False) + "\n" for lesson in lessons)
        return [_write(out, lines)]
    if kind == "videollama2":
        rows = [videollama2(number, lesson, out.parent) for number, lesson in enumerate(lessons)]
        return [_write(out, [_text(rows)])]
    if kind == "llama-factory":
        index = with_entry(out.parent / INDEX, out)
        rows = [llama_factory(lesson, out.parent) for lesson in lessons]
        return [_write(out, [_text(rows)]), _write(out.parent / INDEX, [_text(index)])]
    raise UnknownChoice("format", kind, FORMATS)


def ms_swift(lesson: Lesson) -> dict[str, Any]:
    """A line. The path is absolute, as its manual advises."""
    return {
        "messages": [
            {"role": "user", "content": f"{VIDEO}{lesson.question}"},
            {"role": "assistant", "content": lesson.answer},
        ],
        "videos": [str(lesson.video.resolve())],
    }


def llama_factory(lesson: Lesson, folder: Path) -> dict[str, Any]:
    """An element of the list. The path is relative to the folder of the file, which is its `dataset_dir`."""
    return {
        "conversations": _conversation(f"{VIDEO}{lesson.question}", lesson.answer),
        "videos": [_relative(lesson.video, folder)],
    }


def videollama2(number: int, lesson: Lesson, folder: Path) -> dict[str, Any]:
    """An element of the list. The path is relative to the folder of the file, which is its `data_folder`."""
    return {
        "id": number,
        "video": _relative(lesson.video, folder),
        "conversations": _conversation(f"{VIDEO}\n{lesson.question}", lesson.answer),
    }


def with_entry(index: Path, out: Path) -> dict[str, Any]:
    """The index with an entry for `out` beside those that it has."""
    known: Any = {}
    if index.exists():
        try:
            known = json.loads(index.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadIndex(f"cannot read {index} ({error}); mend it, or write to another folder") from error
    if not isinstance(known, dict):
        raise BadIndex(f"{index} holds no data sets; mend it, or write to another folder")
    columns = {"messages": "conversations", "videos": "videos"}
    return known | {out.stem: {"file_name": out.name, "formatting": "sharegpt", "columns": columns}}


def _conversation(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def _relative(video: Path, folder: Path) -> str:
    return Path(relpath(video.resolve(), folder)).as_posix()


def _text(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _write(path: Path, parts: Iterable[str]) -> Path:
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.writelines(parts)
    return path
