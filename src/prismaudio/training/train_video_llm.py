"""Teach a video language model to plan, from a teacher's annotations: what `train planner --teacher` runs.

It learns the very question that the planner 'local' asks, with the very pictures, and the four tagged paragraphs that
it reads back, so that what was learned is asked for without any change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, PositiveInt

from prismaudio.backends.pretrained.asking import Enquiry
from prismaudio.backends.pretrained.fine_tuning import Tuning, fine_tune
from prismaudio.backends.pretrained.lessons import TaughtAnswer
from prismaudio.backends.pretrained.video_llm import MOST_TOKENS
from prismaudio.config import Config
from prismaudio.planning.annotation import latest
from prismaudio.planning.curriculum import Lesson, curriculum, split
from prismaudio.planning.evidence import Evidence


class VideoLLMTrainingConfig(Config):
    """What is learned, and how."""

    evidence: bool = Field(False, description="tell in the question what is measured in the picture")
    held_out: float = Field(0.05, ge=0, lt=1, description="share of the clips that judge")
    judged: int = Field(
        32, ge=0, description="held-out clips whose plans are written and compared at the end"
    )
    longest: PositiveInt = Field(MOST_TOKENS, description="tokens that they may write for a plan")
    tuning: Tuning = Tuning()


class Lessons(NamedTuple):
    """Of a file of annotations."""

    learned: list[Lesson]
    held_out: list[Lesson]
    left_out: list[str]  # "clip: why"


def load_lessons(
    annotations: Path, config: VideoLLMTrainingConfig, measure: Callable[[Path, float], Evidence]
) -> Lessons:
    found = curriculum(latest(annotations), annotations, measure if config.evidence else None)
    return Lessons(*split(found.lessons, config.held_out), found.left_out)


def train_video_llm(lessons: Lessons, config: VideoLLMTrainingConfig, folder: Path, out: Path) -> Path:
    """-> `out`: a folder for `--planner local:`; resumes from `folder`."""
    counts = len(lessons.learned), len(lessons.held_out)
    return fine_tune(Reader((*lessons.learned, *lessons.held_out)), counts, config.tuning, folder, out)


@dataclass(frozen=True)
class Reader:
    """The question and answer of a number, its video decoded."""

    lessons: tuple[Lesson, ...]

    def __call__(self, number: int) -> TaughtAnswer:
        lesson = self.lessons[number]
        return TaughtAnswer(Enquiry(lesson.question, lesson.pictures()), lesson.answer)
