"""Train the judge of words: recordings in windows, as the judge of classes hears them, against phrases and captions.

Two contrasts at once: every window against a phrase for each class, and the windows of a batch against one another's
captions, which name all that sounds in them.

Shapes: B batch, C classes, M mel bands, K frames, L tokens, W = 256 word vector.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.text import WordTable
from prismaudio.config import Config
from prismaudio.models.judges import AudioTextNetwork
from prismaudio.models.sound_classifier import loud_windows
from prismaudio.stage.corpus import Corpus
from prismaudio.training.loop import LoopConfig, train
from prismaudio.training.train_classifier import SPEEDS, Labelled, SoundWindows, labelled_mels

LEADS = ("", "the sound of", "generate the sound of", "a recording of", "we hear")
LONGEST = 40  # tokens of a caption
SMOOTHING = 0.05


class AudioTextTrainingConfig(Config):
    loop: LoopConfig = LoopConfig(
        steps=6000, batch_size=32, learning_rate=2e-3, weight_decay=2e-2, warmup=100, ema_decay=0.998,
        checkpoint_every=200, validate_every=200, seed=5,
    )  # fmt: skip


class Phrases:
    """What each class may be called, as word vectors."""

    def __init__(self, corpus: Corpus, words: WordTable) -> None:
        self.leads = [torch.from_numpy(words.tokens(lead)) for lead in LEADS]
        self.of_class = [
            [torch.from_numpy(words.tokens(phrase)) for phrase in phrases_of(corpus, name)]
            for name in corpus.classes
        ]

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        """One phrase for each class, (L, W) each."""
        return [self._pick(options, generator) for options in self.of_class]

    def caption(
        self, phrases: Sequence[Tensor], classes: Sequence[int], generator: torch.Generator
    ) -> Tensor:
        """All classes in one sentence, -> (L, W)"""
        lead = self._pick(self.leads, generator)
        return torch.cat([lead, *(phrases[number] for number in classes)])[:LONGEST]

    @staticmethod
    def _pick(options: Sequence[Tensor], generator: torch.Generator) -> Tensor:
        number = torch.randint(len(options), (1,), generator=generator, device=generator.device)
        return options[int(number)]


def phrases_of(corpus: Corpus, name: str) -> list[str]:
    """The class in its own words, by its noun alone, and as its training recordings are described."""
    sound = corpus.classes[name]
    own = [sound.words, f"{sound.noun} {sound.verb}", sound.noun]
    described = [r.words for r in corpus.recordings_of(name, "train") if r.words]
    return list(dict.fromkeys([*own, *described]))


def padded(texts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """(L, W) each -> (B, longest L, W), and where there are tokens, (B, longest L)"""
    lengths = torch.tensor([max(len(text), 1) for text in texts])
    there = torch.arange(int(lengths.max())) < lengths[:, None]
    filled = [F.pad(text, (0, 0, 0, there.shape[1] - len(text))) for text in texts]
    return torch.stack(filled), there


class AudioTextJob:
    def __init__(self, phrases: Phrases, held_out: Sequence[Labelled]) -> None:
        self.phrases = phrases
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        target = batch["target"]  # (B, C) shares of the classes
        drawn = self.phrases.draw(generator)
        captions = [
            self.phrases.caption(drawn, row.nonzero()[:, 0].tolist(), generator) for row in target.cpu()
        ]
        tokens, there = (x.to(target.device) for x in padded([*drawn, *captions]))
        logits = model(batch["mel"], tokens, there).float()
        by_class, by_caption = logits.split([target.shape[1], len(captions)], dim=1)
        alike = F.normalize(target, dim=1) @ F.normalize(target, dim=1).mT
        alike = alike.where(alike > 0.5, 0)
        sums = [alike / alike.sum(dim=dim, keepdim=True) for dim in (0, 1)]
        class_loss = F.cross_entropy(by_class, target, label_smoothing=SMOOTHING)
        pair_loss = (F.cross_entropy(by_caption, sums[1]) + F.cross_entropy(by_caption.mT, sums[0].mT)) / 2
        return {"loss": class_loss + 0.5 * pair_loss, "class": class_loss, "pair": pair_loss}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Recall of the right class among all, for held-out recordings and the classes' own words."""
        assert isinstance(model, AudioTextNetwork)
        words = model.embed_words(*padded([options[0] for options in self.phrases.of_class]))
        ranks = []
        for sound in self.held_out:
            similarity = words @ embed_whole(model, torch.from_numpy(sound.mel))
            ranks.append(int((similarity > similarity[sound.class_index]).sum()))
        return {f"recall@{k}": sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5)}


@torch.no_grad()
def embed_whole(model: AudioTextNetwork, mel: Tensor) -> Tensor:
    """mel: (M, K) of any length -> (E,) of unit length, of all its windows by their loudness"""
    windows, weights = loud_windows(mel)
    return F.normalize((weights[:, None] * model.embed_sound(windows)).sum(dim=0), dim=0)


def train_audio_text(config: AudioTextTrainingConfig, corpus: Corpus, folder: Path) -> AudioTextNetwork:
    """-> the network with averaged weights; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    beds = [number for number, sound in enumerate(corpus.classes.values()) if sound.ambient]
    windows = SoundWindows(
        labelled_mels(corpus, "train", SPEEDS), len(corpus.classes), beds, config.loop.seed
    )
    job = AudioTextJob(Phrases(corpus, WordTable()), labelled_mels(corpus, "validation"))
    averaged = train(AudioTextNetwork(), job, windows, config.loop, folder)
    assert isinstance(averaged, AudioTextNetwork)
    return averaged.eval()
