"""MS-CLAP 2023: HTSAT and GPT-2, each followed by the same small projection, filled from Microsoft's file.

Shapes: B batch, K frames, M mel bands, L tokens, D width of the shared space.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prismaudio.backends.pretrained import htsat
from prismaudio.backends.pretrained.assembling import filled, sized
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import read_tensors, without_prefix

if TYPE_CHECKING:
    from transformers import ClapAudioConfig, GPT2Config

AUDIO, TEXT = "audio_encoder.base.htsat.", "caption_encoder.base."
PROJECTIONS = {
    "audio_encoder.projection.": "audio_projection.",
    "caption_encoder.projection.": "text_projection.",
}
SCALE = "logit_scale"
COMPUTED = re.compile(r"\.attn\.(bias|masked_bias)$")  # GPT-2's masks, which older files hold
COUNTED = ("relative_position_index", "num_batches_tracked")  # no weights; a file may lack them
HEAD_WIDTH = 64  # of GPT-2's attention


class MSCLAP(nn.Module):
    """Both halves."""

    def __init__(self, audio: "ClapAudioConfig", text: "GPT2Config", dim: int) -> None:
        with extra_for("MS-CLAP"):
            from transformers import ClapAudioModel, GPT2Model

        super().__init__()
        self.audio = ClapAudioModel(audio)
        self.audio_projection = Projection(audio.hidden_size, dim)
        self.text = GPT2Model(text)
        self.text_projection = Projection(text.hidden_size, dim)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def latent(self, mel: Tensor) -> Tensor:
        """mel: (B, 1, K, M) -> (B, 768) before the projection"""
        return self.audio(input_features=mel).pooler_output

    def read(self, tokens: Tensor, last: Tensor) -> Tensor:
        """tokens: (B, L) filled up on the right, last: (B,) the place that knows the text -> (B, D)"""
        hidden = self.text(input_ids=tokens).last_hidden_state
        return self.text_projection(hidden[torch.arange(len(tokens), device=tokens.device), last])


class Projection(nn.Module):
    """A layer and another upon it, beside which the first one passes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(inputs, outputs, bias=False)
        self.linear2 = nn.Linear(outputs, outputs, bias=False)
        self.layer_norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)"""
        x = self.linear1(x)
        return self.layer_norm(x + self.linear2(F.gelu(x)))


def load(path: Path) -> MSCLAP:
    """From `CLAP_weights_2023.pth` or a file of its layout and any size, strictly."""
    state = translated(read_tensors(path))
    network = sized(build, state, path, "MS-CLAP 2023", "CLAP_weights_2023.pth")
    return filled(network, state, path, COUNTED)


def build(state: Mapping[str, Tensor]) -> MSCLAP:
    """A network as large as these tensors say."""
    with extra_for("MS-CLAP"):
        from transformers import GPT2Config

    words, positions = state["text.wte.weight"], state["text.wpe.weight"]
    text = GPT2Config(
        vocab_size=len(words),
        n_positions=len(positions),
        n_embd=words.shape[1],
        n_head=max(1, words.shape[1] // HEAD_WIDTH),
        n_layer=1 + max(int(n) for name in state for n in re.findall(r"^text\.h\.(\d+)\.", name)),
        bos_token_id=len(words) - 1,
        eos_token_id=len(words) - 1,
    )
    audio = htsat.read_config(without_prefix(state, "audio."))
    return MSCLAP(audio, text, len(state["audio_projection.layer_norm.bias"]))


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Microsoft's tensors by our names."""
    heard = htsat.translated(without_prefix(state, AUDIO))
    ours = {f"audio.{name}": tensor for name, tensor in heard.items()}
    ours |= {
        f"text.{name}": tensor
        for name, tensor in without_prefix(state, TEXT).items()
        if not COMPUTED.search(name)
    }
    for theirs, name in PROJECTIONS.items():
        ours |= {f"{name}{rest}": tensor for rest, tensor in without_prefix(state, theirs).items()}
    return ours | {name: tensor for name, tensor in state.items() if name == SCALE}
