"""What the words mean: the encoder half of T5-Gemma, as the published model was trained on.

One text at a time: the published program pads texts of a batch and then looks at the padding too.
Shapes: L tokens, D width.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from prismaudio.backends.pretrained import folder as transformers_folder
from prismaudio.backends.pretrained.folder import configured, read_config, read_weights, ready
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError, check_fit, fill

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, T5GemmaConfig, T5GemmaEncoderModel

HUB_ID = "google/t5gemma-l-l-ul2-it"
TOKENIZER = ("tokenizer.json", "tokenizer.model")  # either will do
WANTED = ("config.json", "model*.safetensors", "tokenizer*")
OPTIONAL = (transformers_folder.INDEX, "special_tokens_map.json")
KINDS = ("t5gemma",)
WHOLE = "model."  # before the names of a checkpoint of both halves
DECODER = ("decoder.", "lm_head.")


class T5GemmaEncoder:
    """A `TextEncoder`."""

    name = "t5gemma"

    def __init__(self, network: "T5GemmaEncoderModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.dim = network.encoder.embed_tokens.embedding_dim

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        dtype: torch.dtype = torch.bfloat16,
        device: torch.device | str = "cpu",
    ) -> Self:
        """source: a folder in transformers format, of both halves or of the encoder alone, or a hub repository."""
        folder = resolve(source, WANTED, OPTIONAL)
        network = load(folder, dtype)
        tokenizer = load_tokenizer(folder, network.encoder.embed_tokens.num_embeddings)
        nn.Module.to(network, device)
        return cls(network, tokenizer)

    @torch.no_grad()
    def encode(self, text: str) -> Tensor:
        """-> (L, D) float32 on the network's device; every token of the tokenizer's, special ones too, none cut off"""
        tokens = torch.tensor(
            [self.tokenizer(text, truncation=False)["input_ids"]],
            dtype=torch.long,
            device=self.network.device,
        )
        if tokens.numel() == 0:
            return torch.zeros(0, self.dim, device=self.network.device)
        output = self.network(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        return output.last_hidden_state[0].float()


def load(folder: Path, dtype: torch.dtype) -> "T5GemmaEncoderModel":
    """The encoder; a decoder in the file is left there."""
    with extra_for("T5-Gemma"):
        from transformers import T5GemmaConfig

    config = configured(T5GemmaConfig, read_config(folder, KINDS) | {"is_encoder_decoder": False}, folder)
    network = build(config, dtype)
    named = {name.removeprefix(WHOLE): tensor for name, tensor in read_weights(folder).items()}
    state = {name: tensor for name, tensor in named.items() if not name.startswith(DECODER)}
    check_fit(state, {name: tensor.shape for name, tensor in network.state_dict().items()}, folder)
    fill(network, state)
    return network


def build(config: "T5GemmaConfig", dtype: torch.dtype) -> "T5GemmaEncoderModel":
    """On the meta device, besides the rotary frequencies, which are computed and in no file."""
    with extra_for("T5-Gemma"):
        from transformers import T5GemmaEncoderModel

    with torch.device("meta"):
        network = T5GemmaEncoderModel(config)
    ready(network, dtype)
    rotary = type(network.encoder.rotary_emb)
    network.encoder.rotary_emb = rotary(config.encoder)  # type: ignore[arg-type]  # its annotation names another class
    return network


def load_tokenizer(folder: Path, vocabulary: int) -> "PreTrainedTokenizerBase":
    """The tokenizer beside the weights, which must know no token that they do not."""
    with extra_for("T5-Gemma"):
        from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER):
        raise CheckpointError(f"no tokenizer in {folder}; put {' or '.join(TOKENIZER)} of the model there")
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a tokenizer can fail in as many ways as there are kinds of them
        reason = " ".join(str(error).split())
        raise CheckpointError(f"the tokenizer in {folder} cannot be read ({reason}); get it again") from error
    if len(tokenizer) > vocabulary:
        raise CheckpointError(
            f"the tokenizer in {folder} knows {len(tokenizer)} tokens, the weights {vocabulary}; "
            "get both from the same model"
        )
    return tokenizer
