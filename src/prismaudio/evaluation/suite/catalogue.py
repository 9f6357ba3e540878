"""Which metrics there are, by name, and which of them can be had here: what is absent is said to be absent."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from prismaudio.backends.extractor import SoundExtractor
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.evaluation.suite.clips import Folders
from prismaudio.evaluation.suite.judged import (
    Agreement,
    Axis,
    DelayError,
    Offset,
    SeenAgreement,
    SeenPlace,
    SpatialDistance,
)
from prismaudio.evaluation.suite.judges import Judges
from prismaudio.evaluation.suite.measures import (
    Divergence,
    Frechet,
    FrechetInfinity,
    Inception,
    Kernel,
    Loudness,
    ProxyQuality,
    ProxySpatial,
    ProxySpatialMotion,
    ProxySync,
)
from prismaudio.evaluation.suite.metric import Better, Metric, Role, Unavailable
from prismaudio.evaluation.suite.sounds import Interaural

WITH_CLASSES = ("embedded", "PANNs", "PaSST")  # embeddings that also tell classes
EMBEDDINGS = ("embedded", "logmel", "PANNs", "PaSST", "VGGish")
POINTS = "points, about 1 to 10"
AXES: dict[str, Better] = {"PQ": "higher", "PC": "", "CE": "higher", "CU": "higher"}
SINGLE: tuple[Metric, ...] = (Loudness(), ProxyQuality(), ProxySync(), ProxySpatial(), ProxySpatialMotion())
SPATIAL = "FSAD_"
ON_REQUEST = ("CRW_fast",)  # is not measured by "all"
FOLDER_OF: Mapping[Role, str] = {
    "reference": "--gt",
    "video": "--video",
    "film": "--video",
    "text": "--text",
}


class Choice(NamedTuple):
    """What will be measured, and what was asked for in vain."""

    metrics: list[Metric]
    unavailable: list[Unavailable]
    names: list[str]  # of both, in the order of the table


class Entry(NamedTuple):
    """One line of the catalogue."""

    needs: tuple[Role, ...]  # beside the sounds
    build: Callable[[Judges, bool], Metric]  # the bool: whether small sets are allowed


def names() -> list[str]:
    """Of all metrics, in the order of the table; that of StereoCRW's adds the weights to theirs."""
    return [*CATALOGUE]


def choose(wanted: Sequence[str], folders: Folders, judges: Judges, *, allow_small: bool = False) -> Choice:
    """wanted: names, or "all". FDinf is only there where small sets are allowed. Networks are loaded if needed."""
    for name in wanted:
        if name not in ("all", *CATALOGUE):
            raise UnknownChoice("metric", name, ["all", *CATALOGUE])
    choice = Choice([], [], [])
    for name, entry in CATALOGUE.items():
        by_all = "all" in wanted and name not in ON_REQUEST and (allow_small or not name.startswith("FDinf_"))
        if not by_all and name not in wanted:
            continue
        found = _built(name, entry, folders, judges, allow_small)
        if isinstance(found, Unavailable):
            choice.unavailable.append(found)
        else:
            choice.metrics.append(found)
        choice.names.append(found.name)
    return choice


def of_embedding(extractor: SoundExtractor, *, allow_small: bool) -> list[Metric]:
    """All figures that one embedding gives."""
    metrics: list[Metric] = [Frechet(extractor, allow_small), FrechetInfinity(extractor)]
    if extractor.identity.name != "logmel":  # whose numbers are so large that the kernel is all outliers
        metrics.append(Kernel(extractor))
    if extractor.identity.name in WITH_CLASSES:
        metrics += [Divergence(extractor), Inception(extractor)]
    return metrics


def of_set(name: str, extractor: SoundExtractor, *, allow_small: bool) -> Metric | None:
    """The figure of a set that is called `name`, if `extractor` gives one."""
    if name.startswith(SPATIAL):
        return SpatialDistance(name, extractor, allow_small)
    return next((m for m in of_embedding(extractor, allow_small=allow_small) if m.name == name), None)


def _built(
    name: str, entry: Entry, folders: Folders, judges: Judges, allow_small: bool
) -> Metric | Unavailable:
    given = {"reference": folders.references, "video": folders.videos, "text": folders.texts}
    given["film"] = folders.videos
    lacking = [FOLDER_OF[role] for role in entry.needs if given[role] is None]
    if lacking:
        return Unavailable(name, f"needs {' and '.join(lacking)}")
    try:
        return entry.build(judges, allow_small)
    except PrismAudioError as problem:
        return Unavailable(name, str(problem))


def _sets(embedding: str) -> dict[str, Entry]:
    kinds: dict[str, tuple[Role, ...]] = {"FD": ("reference",), "FDinf": ("reference",)}
    if embedding != "logmel":
        kinds["KID"] = ("reference",)
    if embedding in WITH_CLASSES:
        kinds |= {"KL": ("reference",), "IS": ()}

    def entry(name: str, needs: tuple[Role, ...]) -> Entry:
        def build(judges: Judges, allow_small: bool) -> Metric:
            metric = of_set(name, judges.embedding(embedding), allow_small=allow_small)
            assert metric is not None, name
            return metric

        return Entry(needs, build)

    return {f"{kind}_{embedding}": entry(f"{kind}_{embedding}", needs) for kind, needs in kinds.items()}


def _words(name: str, judge: str) -> Entry:
    return Entry(("text",), lambda judges, _: Agreement(name, *judges.words(judge)))


def _axis(name: str, better: Better) -> Entry:
    return Entry((), lambda judges, _: Axis(name, judges.marks("Audiobox"), name, POINTS, better))


def _learned(name: str, *, fast: bool) -> Entry:
    """The name of the metric goes on with that of the weights."""

    def build(judges: Judges, _: bool) -> Metric:
        extractor = judges.delays(fast=fast)
        return DelayError(f"{name}@{weights_of(extractor)}", extractor)

    return Entry(("reference",), build)


def _learned_distance(judges: Judges, allow_small: bool) -> Metric:
    extractor = judges.delays(fast=False)
    return SpatialDistance(f"{SPATIAL}CRW@{weights_of(extractor)}", extractor, allow_small)


def weights_of(extractor: SoundExtractor) -> str:
    """As the judge's own name has it."""
    return extractor.identity.name.partition("@")[2]


CATALOGUE: dict[str, Entry] = {
    **{name: entry for embedding in EMBEDDINGS for name, entry in _sets(embedding).items()},
    "CLAP_MS": _words("CLAP_MS", "MS-CLAP"),
    "CLAP_LAION": _words("CLAP_LAION", "LAION-CLAP"),
    "PEAV": Entry(("video",), lambda judges, _: SeenAgreement("PEAV", *judges.belonging())),
    "DeSync": Entry(("film",), lambda judges, _: Offset("DeSync", judges.timing("Synchformer"))),
    **{axis: _axis(axis, better) for axis, better in AXES.items()},
    "CRW": _learned("CRW", fast=False),
    "CRW_fast": _learned("CRW_fast", fast=True),
    "GCC-ITD-MSE": Entry(("reference",), lambda judges, _: DelayError("GCC-ITD-MSE", Interaural())),
    "FSAD_CRW": Entry(("reference",), _learned_distance),
    "FSAD_GCC": Entry(("reference",), lambda judges, small: SpatialDistance("FSAD_GCC", Interaural(), small)),
    "embedded_audio_text": _words("embedded_audio_text", "embedded"),
    "embedded_desync": Entry(
        ("film",), lambda judges, _: Offset("embedded_desync", judges.timing("embedded"))
    ),
    "embedded_cleanness": Entry(
        (), lambda judges, _: Axis("embedded_cleanness", judges.marks("embedded"), "cleanness", "0 to 1")
    ),
    "embedded_seen_place": Entry(
        ("film",), lambda judges, _: SeenPlace("embedded_seen_place", judges.placing())
    ),
    "loudness": Entry((), lambda judges, _: Loudness()),
    "proxy_quality": Entry((), lambda judges, _: ProxyQuality()),
    "proxy_sync": Entry(("video",), lambda judges, _: ProxySync()),
    "proxy_spatial": Entry(("reference",), lambda judges, _: ProxySpatial()),
    "proxy_spatial_motion": Entry(("video",), lambda judges, _: ProxySpatialMotion()),
}
