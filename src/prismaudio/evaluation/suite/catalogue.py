"""Which metrics there are, by name, and which of them can be had here: weights that are absent are said to be absent."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.extractor import SoundExtractor
from prismaudio.backends.pretrained.panns import Panns
from prismaudio.backends.pretrained.passt import Passt
from prismaudio.backends.pretrained.vggish import Vggish
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.evaluation.suite.clips import Folders
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
from prismaudio.evaluation.suite.metric import Metric, Role, Unavailable
from prismaudio.evaluation.suite.sounds import EmbeddedClassifier, LogMel

WITH_CLASSES = ("embedded", "PANNs", "PaSST")  # embeddings that also tell classes
SOURCES = {  # of published networks: what is to be fetched; nothing is downloaded by itself
    "PANNs": "Cnn14_16k_mAP=0.438.pth (zenodo.org/records/3987831)",
    "PaSST": "passt-s-f128-p16-s10-ap.476-swa.pt (github.com/kkoutini/PaSST, releases)",
    "VGGish": "vggish-10086976.pth (github.com/harritaylor/torchvggish, releases)",
}
EMBEDDINGS = ("embedded", "logmel", *SOURCES)
SINGLE: tuple[Metric, ...] = (Loudness(), ProxyQuality(), ProxySync(), ProxySpatial(), ProxySpatialMotion())
FOLDER_OF: Mapping[Role, str] = {"reference": "--gt", "video": "--video"}


class Choice(NamedTuple):
    """What will be measured, and what was asked for in vain."""

    metrics: list[Metric]
    unavailable: list[Unavailable]


def names() -> list[str]:
    """Of all metrics, in the order of the table."""
    sets = [
        f"{kind}_{name}"
        for name in EMBEDDINGS
        for kind in ("FD", "FDinf", "KID", "KL", "IS")
        if (kind not in {"KL", "IS"} or name in WITH_CLASSES) and (kind != "KID" or name != "logmel")
    ]
    return [*sets, *(metric.name for metric in SINGLE)]


def choose(
    wanted: Sequence[str], folders: Folders, weights: Mapping[str, Path], *, allow_small: bool = False
) -> Choice:
    """wanted: names, or "all"; weights: file by embedding. FDinf is only there where small sets are allowed."""
    everything = [name for name in names() if allow_small or not name.startswith("FDinf_")]
    for name in [*wanted, *weights]:
        known = [*SOURCES] if name in weights else ["all", *names()]
        if name not in known:
            raise UnknownChoice("embedding" if name in weights else "metric", name, known)
    chosen = everything if "all" in wanted else [name for name in names() if name in wanted]
    available, unavailable = _available(weights, allow_small)
    metrics, absent = [], []
    for name in chosen:
        if name in unavailable:
            absent.append(Unavailable(name, unavailable[name]))
        elif reason := _lacking(available[name], folders):
            absent.append(Unavailable(name, reason))
        else:
            metrics.append(available[name])
    return Choice(metrics, absent)


def parse_weights(texts: Sequence[str]) -> dict[str, Path]:
    """NAME=FILE, several -> file by embedding."""
    found = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise NoWeights(f"--weights {text!r} has no file; write --weights NAME=FILE")
        found[name] = Path(path)
    return found


def of_embedding(extractor: SoundExtractor, *, allow_small: bool) -> list[Metric]:
    """All figures that one embedding gives."""
    metrics: list[Metric] = [Frechet(extractor, allow_small), FrechetInfinity(extractor)]
    if extractor.identity.name != "logmel":  # whose numbers are so large that the kernel is all outliers
        metrics.append(Kernel(extractor))
    if extractor.identity.name in WITH_CLASSES:
        metrics += [Divergence(extractor), Inception(extractor)]
    return metrics


def _available(weights: Mapping[str, Path], allow_small: bool) -> tuple[dict[str, Metric], dict[str, str]]:
    """Metrics by name, and why the others cannot be had."""
    metrics: dict[str, Metric] = {metric.name: metric for metric in SINGLE}
    reasons: dict[str, str] = {}
    extractors: list[SoundExtractor] = [EmbeddedClassifier(), LogMel()]
    for name in SOURCES:
        try:
            extractors.append(downloaded(name, weights))
        except PrismAudioError as problem:
            reasons |= {metric: str(problem) for metric in names() if metric.endswith(f"_{name}")}
    for extractor in extractors:
        metrics |= {metric.name: metric for metric in of_embedding(extractor, allow_small=allow_small)}
    return metrics, reasons


class NoWeights(PrismAudioError):
    """A metric whose network was not given."""


def downloaded(name: str, weights: Mapping[str, Path]) -> SoundExtractor:
    """The extractor of a published network, from the file given for it."""
    if name not in weights:
        raise NoWeights(f"no weights of {name}; fetch {SOURCES[name]} and give --weights {name}=FILE")
    builders: dict[str, Callable[[Path], SoundExtractor]]
    builders = {"PANNs": Panns.from_file, "PaSST": Passt.from_file, "VGGish": Vggish.from_file}
    return builders[name](weights[name])


def _lacking(metric: Metric, folders: Folders) -> str | None:
    """What a metric needs and was not given."""
    given = {"sound": True, "reference": folders.references is not None, "video": folders.videos is not None}
    lacking = [FOLDER_OF[role] for role in metric.extracts if not given[role]]
    if metric.needs_text and folders.texts is None:
        lacking.append("--text")
    return f"needs {' and '.join(lacking)}" if lacking else None
