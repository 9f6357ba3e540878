"""A whole run in one folder: clips laid out, sounds of a model, the report in all its forms."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.evaluation.canvas.generating import Making, generate_sounds
from prismaudio.evaluation.canvas.judging import REFERENCE, System
from prismaudio.evaluation.canvas.layout import Laid
from prismaudio.evaluation.canvas.manifest import Manifest, verify
from prismaudio.evaluation.canvas.report import BenchmarkReport
from prismaudio.evaluation.canvas.tables import latex, markdown
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.media.files import replacing

REPORT = "report.json"


class BadRun(PrismAudioError):
    """A run that cannot be made as it was asked for."""


class Places(NamedTuple):
    """Inside of the run's folder."""

    out: Path

    @property
    def clips(self) -> Path:
        return self.out / "clips"

    @property
    def report(self) -> Path:
        return self.out / REPORT

    def sounds(self, system: str) -> Path:
        return self.out / "sounds" / system


def open_run(out: Path, *, force: bool) -> Places:
    """A folder for the run; an interrupted one is gone on with, a finished one is not overwritten."""
    places = Places(out)
    if places.report.exists() and not force:
        raise CannotWrite(places.report, "it exists", "give another --out, or --force to judge again")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(out, (error.strerror or "").lower(), "choose another folder") from error
    return places


def check_files(manifest: Manifest) -> None:
    """Raise unless the benchmark's files are those that the manifest was made of; missing ones are counted later."""
    changed = [(name, what) for name, what in verify(manifest) if not what.endswith("is missing")]
    if changed:
        name, what = changed[0]
        raise BadRun(
            f"{manifest.path}: clip {name}: {what} (and {len(changed) - 1} more); restore the files, "
            "or make the manifest anew"
        )


def describe_check(manifest: Manifest) -> str:
    """What is in it, in a line; `BadRun` if a file is not as it was."""
    wrong = list(verify(manifest))
    if wrong:
        name, what = wrong[0]
        raise BadRun(
            f"{manifest.path}: {len(wrong)} things are wrong; first: clip {name}: {what}; restore the files"
        )
    events = Counter(entry.event or "unknown" for entry in manifest.entries)
    classes = {name for entry in manifest.entries for name in entry.classes}
    counts = ", ".join(f"{count} {event}" for event, count in sorted(events.items(), reverse=True))
    size = f"{len(manifest.entries)} clips ({counts}) of {len(classes)} classes"
    return f"{manifest.path}: {size}; all files are as they were"


def check_asked(systems: Sequence[System], model: str | None, *, reference: bool) -> None:
    """Refuse a run of nothing, or of two systems of one name, before anything is made."""
    if not systems and model is None and not reference:
        raise BadRun("nothing to judge; give --sounds DIR, --model NAME or --reference")
    if model is not None and Path(model).name in {REFERENCE, *(system.name for system in systems)}:
        raise BadRun(f"the name {Path(model).name!r} is taken; write --sounds OTHER=DIR")


def parse_systems(texts: Sequence[str]) -> list[System]:
    """NAME=DIR or DIR, which is then the name, several."""
    systems: list[System] = []
    for text in texts:
        name, equals, folder = text.partition("=")
        path = Path(folder if equals else text)
        name = name if equals else path.resolve().name
        if not name or name in {REFERENCE, *(system.name for system in systems)}:
            raise BadRun(f"--sounds {text!r}: the name {name!r} is taken or empty; write --sounds NAME=DIR")
        systems.append(System(name, path))
    return systems


def sound_by_model(
    pipeline: VideoToAudio, manifest: Manifest, laid: Laid, places: Places, making: Making
) -> System:
    """The model as a system of the run; its sounds are made where they are not there yet."""
    name = Path(making.model).name
    making = making.model_copy(update={"backends": pipeline.backends()})
    made = generate_sounds(pipeline, manifest, laid.videos, places.sounds(name), making)
    if not made.kept + made.made:
        reason = next(iter(made.failures.values()), "no clip has a video")
        raise BadRun(f"{name} made no sound at all: {reason}")
    by = making.backends | ({"planner": "the manifest"} if making.thoughts == "annotated" else {})
    return System(name, places.sounds(name), by, made.failures)


def true_system(laid: Laid) -> System:
    """The true sounds as a system: the ceiling of what needs no comparison with them."""
    if laid.references is None:
        raise BadRun(f"--reference needs a true sound of every clip: {'; '.join(laid.notes)}")
    return System(REFERENCE, laid.references)


def write_report(report: BenchmarkReport, places: Places) -> list[Path]:
    """report.json, report.md and report.tex."""
    forms = {"report.md": markdown(report), "report.tex": latex(report)}
    for name, text in forms.items():
        with replacing(places.out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    report.save(places.report)
    return [places.report, *(places.out / name for name in forms)]
