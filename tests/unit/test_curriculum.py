"""What a student reads is what the local planner asks, what it is to say is read back, and other trainers can read it."""

import json
from pathlib import Path
from typing import Literal

import pytest
from planned_clips import HITS, SECONDS, answer, measured
from pydantic import BaseModel, ConfigDict, Field
from teaching import write_taught, write_video

from prismaudio.backends.pretrained.asking import Answer, Enquiry
from prismaudio.errors import UnknownChoice
from prismaudio.planning import curriculum as taught
from prismaudio.planning import wire
from prismaudio.planning.annotating import annotate, videos_in
from prismaudio.planning.annotation import Annotation, Ledger, latest
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlanRequest, frames_of
from prismaudio.planning.curriculum import Lesson, curriculum, split
from prismaudio.planning.export import BadIndex, export
from prismaudio.planning.teacher import Teacher
from prismaudio.planning.wire import read
from prismaudio.planning.written import PlansBeside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_taught(tmp_path / "films", 3)
    path = tmp_path / "plans.jsonl"
    annotate(videos_in([tmp_path / "films"]), Teacher(PlansBeside(), lambda *_: measured()), Ledger(path))
    return path


def lessons_of(path: Path) -> list[Lesson]:
    found = sorted(curriculum(latest(path), path).lessons, key=lambda lesson: lesson.video)
    assert len(found) == 3
    return found


class Listener:
    """A model that holds on to what it is asked, as 'local' asks it."""

    name = model = "local"
    prefers = "frames"
    hears = held_to_schema = False
    asked: Enquiry

    def ask(self, enquiry: Enquiry) -> Answer:
        self.asked = enquiry
        return Answer(read(answer(), SECONDS).render("tagged", "numeric"), "x", 0, 0)


@pytest.mark.parametrize("evidence", [False, True])
def test_a_lesson_asks_what_the_local_planner_asks(path: Path, evidence: bool) -> None:
    rows = [row.model_copy(update={"hint": "my workshop", "avoid": ("music",)}) for row in latest(path)]
    lesson = curriculum(rows, path, (lambda *_: measured()) if evidence else None).lessons[0]
    seer = Listener()
    request = PlanRequest(
        SECONDS, frames_of(lesson.video, SECONDS), lesson.video, measured(), "my workshop", ("music",)
    )
    AskedPlanner(seer, "kept" if evidence else "unused").plan(request)  # type: ignore[arg-type]
    assert lesson.question == seer.asked.text
    assert ("something strikes" in lesson.question) is evidence
    assert lesson.pictures().fps == seer.asked.footage.fps
    assert (lesson.pictures().images == seer.asked.footage.images).all()  # type: ignore[union-attr]


def test_the_right_answer_is_the_plan_with_its_numbers_and_without_its_prose(path: Path) -> None:
    lesson = lessons_of(path)[1]
    assert lesson.answer.count("\n") == 3
    assert "<Semantic> Generate the sound of a hammer drumming" in lesson.answer
    understood = wire.read(lesson.answer, SECONDS)
    assert understood.onsets() == pytest.approx(lesson.plan.onsets(), abs=0.005)
    semantic = lesson.plan.semantic.model_copy(update={"prose": "Something is hit."})
    worded = lesson.plan.model_copy(update={"semantic": semantic})
    assert taught.answer_of(worded) == lesson.answer


def test_what_teaches_nothing_is_left_out_and_told_why(path: Path, tmp_path: Path) -> None:
    first, second, third = latest(path)
    unheard = third.plan.model_copy(update={"temporal": third.plan.temporal.model_copy(update={"spans": ()})})  # type: ignore[union-attr]
    rows = [
        first.model_copy(update={"plan": None, "error": "no answer"}),
        second.model_copy(update={"language": "German"}),
        second.model_copy(update={"video": "gone.mp4"}),
        third.model_copy(update={"plan": unheard}),
        third,
    ]
    found = curriculum(rows, path)
    assert [lesson.sha256 for lesson in found.lessons] == [third.sha256]
    whys = [why.partition(": ")[2] for why in found.left_out]
    assert whys[0] == "no answer"
    assert "its words are German" in whys[1]
    assert f"no video at {tmp_path / 'gone.mp4'}" in whys[2]
    assert "its own paragraphs would not be understood" in whys[3]


def test_a_clip_is_held_out_or_not_whatever_is_beside_it() -> None:
    def lesson(number: int) -> Lesson:
        return Lesson(
            PlanRequest(1.0, lambda _: None), Path(), f"{number * 2654435761 % 2**32:08x}", None, ""
        )  # type: ignore[arg-type, return-value]

    many = [lesson(number) for number in range(2000)]
    learned, held_out = split(many, 0.1)
    assert len(learned) + len(held_out) == 2000
    assert len(held_out) == pytest.approx(200, abs=40)
    again, apart = split(many[::3], 0.1)
    assert {each.sha256 for each in apart} == {each.sha256 for each in held_out} & {
        each.sha256 for each in many[::3]
    }
    assert split(many, 0.0) == (many, [])


# The documented forms of other trainers --------------------------------------------------------


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Exact):
    role: Literal["user", "assistant"]
    content: str


class SwiftLine(Exact):
    """ms-swift's Custom-dataset.md: messages, and as many paths in `videos` as there are <video> tags."""

    messages: list[Message]
    videos: list[str]


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    speaker: Literal["human", "gpt"] = Field(alias="from")
    value: str


class ShareGPT(Exact):
    """LLaMA-Factory's data/README.md, "Multimodal Video Dataset"."""

    conversations: list[Said]
    videos: list[str]


class VideoLLaMA2(Exact):
    """VideoLLaMA2's README.md, "Data Format"."""

    id: int
    video: str
    conversations: list[Said]


def test_ms_swift_reads_messages_beside_absolute_videos(path: Path, tmp_path: Path) -> None:
    lessons = lessons_of(path)
    (file,) = export(lessons, "ms-swift", tmp_path / "other" / ".." / "swift.jsonl")
    lines = [SwiftLine.model_validate_json(line) for line in file.read_text().splitlines()]
    for line, lesson in zip(lines, lessons, strict=True):
        assert [message.role for message in line.messages] == ["user", "assistant"]
        assert line.messages[0].content == f"<video>{lesson.question}"
        assert line.messages[1].content == lesson.answer
        assert [Path(video) for video in line.videos] == [lesson.video.resolve()]
        assert Path(line.videos[0]).is_absolute()


def test_llama_factory_reads_conversations_and_finds_them_in_its_index(path: Path, tmp_path: Path) -> None:
    lessons, folder = lessons_of(path), tmp_path / "factory"
    folder.mkdir()
    (folder / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    data, index = export(lessons, "llama-factory", folder / "sounds.json")
    known = json.loads(index.read_text())
    assert known["mine"] == {"file_name": "mine.json"}
    assert known["sounds"] == {
        "file_name": "sounds.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "videos": "videos"},
    }
    for values, lesson in zip(json.loads(data.read_text()), lessons, strict=True):
        row = ShareGPT.model_validate(values)
        assert [said.speaker for said in row.conversations] == ["human", "gpt"]
        assert row.conversations[0].value.count("<video>") == len(row.videos) == 1
        assert (folder / row.videos[0]).samefile(lesson.video)
    index.write_text("[]")
    with pytest.raises(BadIndex, match="holds no data sets"):
        export(lessons, "llama-factory", folder / "sounds.json")


def test_videollama2_reads_a_video_and_a_conversation(path: Path, tmp_path: Path) -> None:
    lessons = lessons_of(path)
    (file,) = export(lessons, "videollama2", tmp_path / "custom.json")
    for number, (values, lesson) in enumerate(zip(json.loads(file.read_text()), lessons, strict=True)):
        row = VideoLLaMA2.model_validate(values)
        assert row.id == number
        assert row.conversations[0].value == f"<video>\n{lesson.question}"
        assert row.conversations[1].value == lesson.answer
        assert (tmp_path / row.video).samefile(lesson.video)
        assert not Path(row.video).is_absolute()


def test_an_unknown_format_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownChoice, match="unknown format 'llava'; choose one of: ms-swift"):
        export([], "llava", tmp_path / "x.json")


def test_annotations_are_found_from_where_they_lie(tmp_path: Path) -> None:
    write_video(tmp_path / "a" / "clip.mp4")
    row = Annotation(
        id="clip", video="../a/clip.mp4", teacher="file", duration=SECONDS, plan=read(answer(), SECONDS)
    )
    (lesson,) = curriculum([row], tmp_path / "b" / "plans.jsonl").lessons
    assert lesson.video == tmp_path / "a" / "clip.mp4"
    assert len(HITS) == 3
