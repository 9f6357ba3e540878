"""The reader of motion and the student, at sizes that train in seconds: they learn, and resume to the bit."""

from pathlib import Path

import pytest
import torch

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.backends.embedded.vision import FEATURES
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.evaluation.metrics.plans import valid
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.glance import Glance
from prismaudio.planning.language import FIRST_FRAME, FPS, spoken, understood
from prismaudio.planning.motion_reader import MotionReader
from prismaudio.planning.sight import sight_of
from prismaudio.planning.student import Student, beginning_with
from prismaudio.planning.student_planner import StudentWriter, shown
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.training.loop import LoopConfig
from prismaudio.training.train_motion_reader import (
    MotionCrops,
    MotionReaderTrainingConfig,
    train_motion_reader,
)
from prismaudio.training.train_student import (
    LessonBook,
    StudentConfig,
    StudentTrainingConfig,
    lesson_plan,
    paced,
    striking,
    train_student,
    turned,
)
from prismaudio.training.watched import CROPS, Crops, WatchedScene

LOOP = LoopConfig(
    steps=12,
    batch_size=4,
    learning_rate=2e-3,
    warmup=2,
    checkpoint_every=6,
    validate_every=12,
    log_every=4,
    precision="no",
)
SMALL = StudentTrainingConfig(
    model=StudentConfig(width=64, encoder_depth=1, depth=1, heads=2), blur_after=4, loop=LOOP
)


def scenes_of(count: int, seed: int = 0) -> list[WatchedScene]:
    """True plans; features in which the strikes can be seen."""
    corpus, rng = Corpus.load(), torch.Generator().manual_seed(seed)
    scenes = []
    for index in range(count):
        scene = draw_scene(seed, index, "train", corpus, StageConfig(shortest=3, longest=5))
        motion = 0.1 * torch.rand(round(scene.duration * FPS), MotionEncoder.dim, generator=rng)
        for onset in scene.plan(corpus).onsets():
            motion[min(int(onset * FPS), len(motion) - 1)] += 1.0
        columns = torch.randn(int(scene.duration), 10, FEATURES, generator=rng)
        scenes.append(WatchedScene(scene.plan(corpus), motion.half(), columns.half(), False))
    return scenes


@pytest.fixture(scope="module")
def book() -> LessonBook:
    torch.manual_seed(0)
    return LessonBook(scenes_of(8), MotionReader(16, 2).eval(), Glance(len(VOCABULARY)).eval(), SMALL)


def test_a_crop_is_a_function_of_its_number_and_those_of_a_batch_are_equally_long() -> None:
    scenes = scenes_of(8)
    crops = Crops(scenes, 4, seed=5)
    drawn = [crops.draw(index)[:3] for index in range(40)]
    assert drawn == [Crops(scenes, 4, seed=5).draw(index)[:3] for index in range(40)]
    batches = [{frames for _, _, frames in drawn[i : i + 4]} for i in range(0, 40, 4)]
    assert all(len(lengths) == 1 for lengths in batches)
    assert set().union(*batches) <= set(CROPS)
    assert all(start + frames <= len(scenes[number].motion) for number, start, frames in drawn)


def test_a_lesson_is_a_function_of_its_number(book: LessonBook) -> None:
    first, again = book[7], book[7]
    assert torch.equal(first.tokens, again.tokens)
    assert all(torch.equal(a, b) for a, b in zip(first.watched, again.watched, strict=True))


def test_every_word_of_a_lesson_is_allowed_in_its_place(book: LessonBook) -> None:
    for index in range(30):
        lesson = book[index]
        rows = torch.arange(len(lesson.tokens))
        assert lesson.allowed[rows, lesson.tokens].all()
        assert lesson.allowed.shape[1] == FIRST_FRAME + lesson.watched.motion.shape[1] + 1


def test_lessons_tell_of_the_screen_alone_and_in_the_order_of_its_sounds() -> None:
    corpus = Corpus.load()
    for index in range(60):
        plan = draw_scene(9, index, "train", corpus).plan(corpus)
        lesson = lesson_plan(plan.on_screen(), striking(plan))
        assert all(event.on_screen for event in lesson.semantic.events)
        assert len(lesson.semantic.events) == sum(event.on_screen for event in plan.semantic.events)
        firsts = [span.onsets()[0] for span in lesson.temporal.spans]
        assert firsts == sorted(firsts)
        assert lesson.semantic.ambience == ()
        understood(spoken(lesson), lesson.duration)


def test_a_faster_clip_has_earlier_sounds_and_a_mirrored_one_other_sides() -> None:
    corpus = Corpus.load()
    plan = draw_scene(9, 1, "train", corpus).plan(corpus)
    assert paced(plan, 2.0).onsets() == pytest.approx([onset / 2 for onset in plan.onsets()])
    assert turned(turned(plan)) == plan
    assert turned(plan).spatial.places[0].keys[0].azimuth == -plan.spatial.places[0].keys[0].azimuth


@pytest.mark.parametrize("job", ["reader", "student"])
def test_training_resumes_to_the_bit(job: str, book: LessonBook, tmp_path: Path) -> None:
    def trained(folder: str, steps: int) -> torch.nn.Module:
        loop = LOOP.model_copy(update={"steps": steps, "decay_to": 1.0})  # the rate does not know the end
        if job == "student":
            return train_student(SMALL.model_copy(update={"loop": loop}), book, book, tmp_path / folder)
        config = MotionReaderTrainingConfig(width=16, depth=2, loop=loop)
        return train_motion_reader(config, scenes_of(6), scenes_of(3, seed=1), tmp_path / folder)

    whole = trained("whole", 12)
    trained("parts", 6)
    resumed = trained("parts", 12)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_student_learns_its_lessons_by_heart(book: LessonBook, tmp_path: Path) -> None:
    loop = LOOP.model_copy(
        update={"steps": 60, "learning_rate": 5e-3, "validate_every": 60, "checkpoint_every": 60}
    )
    config = SMALL.model_copy(update={"loop": loop})
    before = loss_of(Student(**SMALL.model.model_dump()), book)
    after = loss_of(train_student(config, book, book, tmp_path).eval(), book)
    assert after < 0.7 * before


def loss_of(student: Student, book: LessonBook) -> float:
    lessons = book.collate([book[index] for index in range(4)])
    logits = student.eval()(lessons.watched, lessons.before).masked_fill(~lessons.allowed, -1e4)
    return float(
        torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), lessons.targets.flatten(), ignore_index=-100
        ).detach()
    )


def test_a_crop_of_motion_comes_with_the_truth_of_its_moments() -> None:
    scenes = scenes_of(8)
    crops = MotionCrops(scenes, 4, seed=1)
    for index in range(8):
        number, start, frames, _ = crops.crops.draw(index)
        crop = crops[index]
        struck = crop["hits"].amax(dim=1) > 0.75
        expected = torch.zeros(frames, dtype=torch.bool)
        for span in scenes[number].plan.on_screen().temporal.spans:
            for hit in span.hits:
                nearest = round(hit * FPS) - start
                if 0 <= nearest < frames:
                    expected[nearest] = True
        assert (struck | ~expected).all()
        assert len(crop["motion"]) == len(crop["hits"]) == len(crop["active"]) == frames


@pytest.fixture(scope="module")
def writer() -> StudentWriter:
    torch.manual_seed(1)
    return StudentWriter(Student(width=64, encoder_depth=1, depth=2, heads=2).eval())


def seen(seconds: float) -> Evidence:
    torch.manual_seed(2)
    perception = EmbeddedPlanner(MotionReader(16, 2).eval(), Glance(len(VOCABULARY)).eval())
    motion = torch.rand(round(seconds * FPS), MotionEncoder.dim)
    pictures = max(1, round(seconds * 2))
    columns, classes = torch.randn(pictures, 10, FEATURES), torch.full((pictures, 1000), 1e-3)
    unseen = Looks(torch.zeros(0), torch.zeros(0, 3), torch.zeros(0), torch.zeros(0, len(VOCABULARY)))
    plan = perception.plan(motion, unseen, classes, seconds)
    return Evidence.measured(plan, motion, lambda: sight_of(perception, motion, columns, classes))


@pytest.mark.parametrize("seconds", [0.2, 3.0, 21.0])
def test_the_student_writes_the_same_valid_plan_each_time(seconds: float, writer: StudentWriter) -> None:
    evidence = seen(seconds)
    plan = writer(evidence, seconds)
    assert plan == writer(evidence, seconds)
    assert valid(plan)
    assert plan.duration == seconds


def test_word_after_word_is_as_all_at_once(writer: StudentWriter) -> None:
    """What is remembered of the words before is what they would be read as again."""
    evidence = seen(3.0)
    assert evidence.look is not None
    watched = shown(evidence.look(), 0, 75)
    student = writer.student
    tokens = student.compose(watched).tokens
    with torch.no_grad():
        at_once = student(watched, torch.tensor([beginning_with(tokens)]))
        memory, past, rows = student.remember(watched), None, []
        for token in beginning_with(tokens):
            logits, past = student.write(memory, torch.tensor([[token]]), past)
            rows.append(logits[0, 0])
    torch.testing.assert_close(torch.stack(rows), at_once[0], atol=1e-4, rtol=1e-4)
