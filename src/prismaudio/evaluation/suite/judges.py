"""Who can be asked here: extractors over networks, made when a metric first needs them, from the weights that were given.

Nothing is downloaded unless the weights of a judge are said to be at the "hub". What is absent is a `NoWeights`, by name.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from prismaudio.backends.embedded.judges import load_cleanness, load_offset, load_seen_place, load_words
from prismaudio.backends.embedded.senses import Senses
from prismaudio.backends.extractor import SoundExtractor
from prismaudio.backends.pretrained import audiobox, laion_clap, msclap, msclap_text, pe_av, synchformer_judge
from prismaudio.backends.pretrained.audiobox import AudioboxJudge
from prismaudio.backends.pretrained.laion_clap import LaionCLAPJudge
from prismaudio.backends.pretrained.msclap import MSCLAPJudge
from prismaudio.backends.pretrained.panns import Panns
from prismaudio.backends.pretrained.passt import Passt
from prismaudio.backends.pretrained.pe_av import PeavJudge
from prismaudio.backends.pretrained.stereocrw import FAST, FAST_WINDOWS, StereoCRWJudge
from prismaudio.backends.pretrained.synchformer_judge import SynchformerJudge
from prismaudio.backends.pretrained.vggish import Vggish
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.evaluation.suite.hearings import (
    FilmSeen,
    LearnedDelays,
    Marks,
    Placing,
    SoundHeard,
    Timing,
    WordsRead,
)
from prismaudio.evaluation.suite.sounds import EmbeddedClassifier, LogMel
from prismaudio.generation.loading import assets

HUB = Path("hub")  # as the place of weights: wherever their makers put them
TOKENIZER = "-tokenizer"  # after the name of a judge of words
SOURCES = {  # what is to be fetched for a published network
    "PANNs": "Cnn14_16k_mAP=0.438.pth (zenodo.org/records/3987831)",
    "PaSST": "passt-s-f128-p16-s10-ap.476-swa.pt (github.com/kkoutini/PaSST, releases)",
    "VGGish": "vggish-10086976.pth (github.com/harritaylor/torchvggish, releases)",
    "MS-CLAP": f"{msclap.FILE} ({msclap.HUB_ID})",
    "LAION-CLAP": f"{laion_clap.FILE} ({laion_clap.HUB_ID})",
    "Synchformer": f"{synchformer_judge.FILE} ({synchformer_judge.HUB_ID})",
    "Audiobox": f"model.safetensors and config.json, or checkpoint.pt ({audiobox.HUB_ID})",
    "PEAV": f"a folder of {pe_av.HUB_ID}",
    "CRW": "FreeMusic-StereoCRW-1024.pth.tar, whose public links are dead",
}
ON_HUB = ("MS-CLAP", "LAION-CLAP", "Synchformer", "Audiobox", "PEAV")
TOKENIZERS = {"MS-CLAP": msclap_text.HUB_ID, "LAION-CLAP": laion_clap.TOKENIZER_ID}
KNOWN = (*SOURCES, *(f"{name}{TOKENIZER}" for name in TOKENIZERS))


class NoWeights(PrismAudioError):
    """A metric whose network was not given."""


class Words(NamedTuple):
    """A judge of words, as what it is asked for."""

    heard: SoundHeard
    read: WordsRead


def parse_weights(texts: Sequence[str]) -> dict[str, Path]:
    """NAME=FILE, several -> file, folder or `HUB` by name of the network."""
    found = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise NoWeights(f"--weights {text!r} has no file; write --weights NAME=FILE")
        if name not in KNOWN:
            raise UnknownChoice("network", name, [*KNOWN])
        found[name] = Path(path)
    return found


class Belonging(NamedTuple):
    """A judge of sound and picture, as what it is asked for."""

    heard: SoundHeard
    seen: FilmSeen


class Judges:
    """Each network once, however many metrics ask it."""

    def __init__(
        self, weights: Mapping[str, Path] | None = None, device: str = "cpu", films: Path | None = None
    ) -> None:
        """films: where Synchformer keeps what it sees of films"""
        self.weights = weights or {}
        self.device = device
        self.films = films
        self.senses = Senses()
        self.embedding = cache(self._embedding)
        self.words = cache(self._words)
        self.belonging = cache(self._belonging)
        self.timing = cache(self._timing)
        self.marks = cache(self._marks)
        self.placing = cache(self._placing)
        self.delays = cache(self._delays)

    def _embedding(self, name: str) -> SoundExtractor:
        match name:
            case "embedded":
                return EmbeddedClassifier()
            case "logmel":
                return LogMel()
            case "PANNs":
                return Panns.from_file(self._given(name))
            case "PaSST":
                return Passt.from_file(self._given(name))
            case _:
                return Vggish.from_file(self._given(name))

    def _words(self, name: str) -> Words:
        if name == "embedded":
            embedded = load_words(assets())
            return Words(SoundHeard(embedded), WordsRead(embedded))
        source, tokenizer = self._given(name), self._tokenizer(name)
        judge: MSCLAPJudge | LaionCLAPJudge
        if name == "MS-CLAP":
            judge = MSCLAPJudge.from_pretrained(
                msclap.HUB_ID if source == HUB else source, tokenizer, device=self.device
            )
        else:
            judge = LaionCLAPJudge.from_pretrained(
                laion_clap.HUB_ID if source == HUB else source, tokenizer, device=self.device
            )
        return Words(SoundHeard(judge), WordsRead(judge))

    def _belonging(self) -> Belonging:
        given = self._given("PEAV")
        judge = PeavJudge.from_pretrained(pe_av.HUB_ID if given == HUB else given, self.device)
        return Belonging(SoundHeard(judge), FilmSeen(judge))

    def _timing(self, name: str) -> Timing:
        if name == "embedded":
            return Timing(load_offset(assets(), self.senses))
        given = self._given(name)
        source = synchformer_judge.HUB_ID if given == HUB else given
        return Timing(SynchformerJudge.from_pretrained(source, self.device, self.films))

    def _marks(self, name: str) -> Marks:
        if name == "embedded":
            return Marks(load_cleanness(assets(), self.senses))
        given = self._given(name)
        return Marks(AudioboxJudge.from_pretrained(audiobox.HUB_ID if given == HUB else given, self.device))

    def _placing(self) -> Placing:
        return Placing(load_seen_place(assets(), self.senses))

    def _delays(self, *, fast: bool = False) -> LearnedDelays:
        path = self._given("CRW")
        if fast:
            return LearnedDelays(StereoCRWJudge.from_file(path, self.device, FAST, FAST_WINDOWS))
        return LearnedDelays(StereoCRWJudge.from_file(path, self.device))

    def _given(self, name: str) -> Path:
        """Where the weights of a network are: there, or the hub."""
        if name not in self.weights:
            hub = f", or let it be fetched by --weights {name}=hub" if name in ON_HUB else ""
            raise NoWeights(
                f"no weights of {name}; fetch {SOURCES[name]} and give --weights {name}=FILE{hub}"
            )
        path = self.weights[name]
        if path == HUB:
            if name not in ON_HUB:
                raise NoWeights(f"{name} is on no hub; fetch {SOURCES[name]} and give --weights {name}=FILE")
        elif not path.exists():
            raise NoWeights(f"no weights at {path}; give --weights {name}=FILE a file that is there")
        return path

    def _tokenizer(self, name: str) -> str | Path:
        """The folder that was given, or that of the weights; of weights from the hub, that on the hub."""
        given = self.weights.get(f"{name}{TOKENIZER}")
        weights = self.weights[name]
        if HUB in {given, weights if given is None else given}:
            return TOKENIZERS[name]
        folder = given or (weights if weights.is_dir() else weights.parent)
        if not (folder / "vocab.json").is_file():
            raise NoWeights(
                f"no tokenizer in {folder}; put vocab.json and merges.txt of {TOKENIZERS[name]} beside the weights, "
                f"or give --weights {name}{TOKENIZER}=FOLDER"
            )
        return folder
