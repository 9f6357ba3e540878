"""Does it sound like these words? LAION's CLAP, the other one of published tables, through transformers' ClapModel.

The checkpoint is LAION's own .pt (music_speech_audioset_epoch_15_esc_89.98, HTSAT-base without fusion).
Shapes: B sounds, N samples, W windows, D width of the shared space.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained import assembling, htsat
from prismaudio.backends.pretrained.assembling import sized
from prismaudio.backends.pretrained.digest import sha256, tokenizer_sha256
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.windows import cut
from prismaudio.models.checkpoints import CheckpointError, read_tensors, without_prefix
from prismaudio.models.resampling import resample

if TYPE_CHECKING:
    from transformers import ClapModel, PreTrainedTokenizerBase

HUB_ID = "lukewys/laion_clap"
FILE = "music_speech_audioset_epoch_15_esc_89.98.pt"
TOKENIZER_ID = "FacebookAI/roberta-base"
TOKENIZER = ("vocab.json", "merges.txt")
OPTIONAL = ("tokenizer.json", "tokenizer_config.json")
RATE = 48_000  # Hz
HOP = 480  # samples
WINDOW = 10 * RATE  # samples
LONGEST = 77  # tokens
HEAD_WIDTH = 64  # of RoBERTa's attention
COUNTED = ("relative_position_index", "num_batches_tracked", "position_ids", "token_type_ids")
# parts of the training alone
UNREAD = re.compile(r"(audio|text)_transform\.|text_branch\.embeddings\.position_ids$")
PROJECTIONS = [(r"_projection\.0\.", "_projection.linear1."), (r"_projection\.2\.", "_projection.linear2.")]


class LaionCLAPJudge:
    """An `AudioTextJudge`: windows of 10 s from the first sample to the last; a score is the cosine, -1 to 1.

    The published program takes 10 s from anywhere of a longer sound, and writes every sound as 16-bit integers first.
    """

    name = "laion-clap"

    def __init__(self, network: "ClapModel", tokenizer: "PreTrainedTokenizerBase", digest: str = "") -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": "mono 48 kHz, sinc of 6 zeros, windows of 10 s that cover",
            "tokenizer": tokenizer_sha256(tokenizer),
        }

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        tokenizer: str | Path = TOKENIZER_ID,
        device: torch.device | str = "cpu",
    ) -> Self:
        """source: LAION's file, a folder of it or a hub repository; tokenizer: a folder or a hub repository."""
        path = Path(source) if Path(source).is_file() else resolve(source, (FILE,)) / FILE
        network = load(path)
        torch.nn.Module.to(network, device)
        return cls(network, load_tokenizer(tokenizer), sha256(path))

    @property
    def sharpness(self) -> float:
        return float(self.network.logit_scale_a.exp())

    def score(self, sounds: Sounds, texts: Sequence[str]) -> Tensor:
        """One text a sound -> (B,) cosine"""
        return (self.hear(sounds) * self.read(texts)).sum(dim=-1)

    @torch.no_grad()
    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, D) of length 1; of several windows the mean of unit vectors"""
        assert not self.network.training
        audio = resample(sounds.mono.float().to(self.network.device), sounds.sample_rate, RATE)
        windows = cut(filled(audio), WINDOW).unbind(dim=1)
        heard = [
            self.network.get_audio_features(input_features=htsat.mel(window, RATE, HOP)).pooler_output
            for window in windows
        ]
        return F.normalize(torch.stack(heard).mean(dim=0), dim=-1)

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> Tensor:
        """-> (len(texts), D) of length 1; at most 77 tokens of each, as published"""
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        ).to(self.network.device)
        return self.network.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output

    def truncated(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """Which of these texts are longer than the 77 tokens that are read."""
        return tuple(len(ids) > LONGEST for ids in self.tokenizer(list(texts))["input_ids"])


def filled(audio: Tensor) -> Tensor:
    """(B, N) -> (B, at least WINDOW): a short sound as often as it fits whole, then silence, as published"""
    times = max(1, WINDOW // audio.shape[-1])
    repeated = audio.repeat(1, times)
    return F.pad(repeated, (0, max(0, WINDOW - repeated.shape[-1])))


def load(path: Path) -> "ClapModel":
    """From LAION's file or one of its layout and any size, strictly."""
    state = translated(read_tensors(path))
    network = sized(build, state, path, "a CLAP of LAION's without fusion", FILE)
    return assembling.filled(network, state, path, COUNTED)


def build(state: Mapping[str, Tensor]) -> "ClapModel":
    """A network as large as these tensors say."""
    with extra_for("LAION-CLAP"):
        from transformers import ClapConfig, ClapModel, ClapTextConfig

    words = state["text_model.embeddings.word_embeddings.weight"]
    text = ClapTextConfig(
        vocab_size=len(words),
        hidden_size=words.shape[1],
        num_hidden_layers=1
        + max(int(n) for name in state for n in re.findall(r"^text_model\.encoder\.layer\.(\d+)\.", name)),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=len(state["text_model.encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=len(state["text_model.embeddings.position_embeddings.weight"]),
        type_vocab_size=len(state["text_model.embeddings.token_type_embeddings.weight"]),
    )
    audio = htsat.read_config(without_prefix(state, "audio_model."))
    shared = len(state["audio_projection.linear1.bias"])
    return ClapModel(
        ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=shared)
    )


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LAION's tensors by the names of ClapModel."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    heard = htsat.translated(without_prefix(plain, "audio_branch."))
    ours = {f"audio_model.{name}": tensor for name, tensor in heard.items()}
    for theirs, tensor in plain.items():
        if UNREAD.search(theirs) or theirs.startswith("audio_branch."):
            continue
        name = theirs.replace("text_branch.", "text_model.", 1)
        for pattern, replacement in PROJECTIONS:
            name = re.sub(pattern, replacement, name)
        ours[name] = tensor
    return ours


def load_tokenizer(source: str | Path = TOKENIZER_ID) -> "PreTrainedTokenizerBase":
    """source: a folder with RoBERTa's tokenizer, or a hub repository"""
    folder = resolve(source, TOKENIZER, OPTIONAL)
    with extra_for("LAION-CLAP"):
        from transformers import RobertaTokenizer

    missing = [name for name in TOKENIZER if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)}; put RoBERTa's tokenizer there")
    return RobertaTokenizer.from_pretrained(folder, local_files_only=True)
