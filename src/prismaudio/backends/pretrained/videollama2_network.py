"""VideoLLaMA2 as one network: a vision tower, a connector and a language model, to be asked or to be trained.

The parts are transformers' SigLIP and Qwen2 and our own connector, under the names that the published program gives them.
Shapes: B clips, T pictures of S x S pixels, L tokens, V tokens that a video becomes, D width of the language model.
"""

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.pretrained.stc_connector import STCConnector

if TYPE_CHECKING:
    from transformers import GenerationConfig, Qwen2ForCausalLM, SiglipVisionModel
    from transformers.modeling_outputs import CausalLMOutputWithPast

VIDEO = -201  # stands for the video among tokens (constants.py of VideoLLaMA2)
IGNORED = -100  # a label of what is not learned
Part = Literal["vision_tower", "mm_projector", "language_model"]


class VideoLLaMA2Network(nn.Module):
    """layers: how many of the vision tower work for the connector; published: all but the last."""

    def __init__(
        self,
        vision_tower: "SiglipVisionModel",
        mm_projector: STCConnector,
        language_model: "Qwen2ForCausalLM",
        layers: int,
    ) -> None:
        super().__init__()
        self.vision_tower = vision_tower
        self.mm_projector = mm_projector
        self.language_model = language_model
        self.layers = layers

    @property
    def side(self) -> int:
        """Pixels of a picture: S."""
        side = self.vision_tower.embeddings.image_size
        assert isinstance(side, int)
        return side

    def learn(self, *parts: Part) -> None:
        """Let these parts be trained, and no other: the paper's recipe is `learn("mm_projector", "language_model")`."""
        for part in get_args(Part):
            getattr(self, part).requires_grad_(part in parts)

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> "CausalLMOutputWithPast":
        """input_ids, attention_mask, labels: (B, L), pixel_values: (B, T, 3, S, S)

        -> logits of (B, L - 1 + V, vocabulary), and the loss over the labels that are not `IGNORED`. Each text holds
        `VIDEO` once. Texts of a batch are padded on either side, where the mask is 0.
        """
        embedded = self.embed(input_ids, pixel_values)
        added = embedded.shape[1] - input_ids.shape[1] + 1
        given: dict[str, Any] = {"inputs_embeds": embedded}
        if attention_mask is not None:
            seen = attention_mask.new_ones(len(input_ids), added)
            given["attention_mask"] = put(attention_mask, input_ids, seen)
        if labels is not None:
            given["labels"] = put(labels, input_ids, labels.new_full((len(input_ids), added), IGNORED))
        return self.language_model(**given)

    @torch.no_grad()
    def generate(self, embedded: Tensor, settings: "GenerationConfig") -> Tensor:
        """What `embed` made of a text and its video, (1, N, D) -> the tokens of the answer (n,)"""
        mask = torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device)
        writer: Any = self.language_model
        return writer.generate(inputs_embeds=embedded, attention_mask=mask, generation_config=settings)[0]

    def embed(self, input_ids: Tensor, pixel_values: Tensor) -> Tensor:
        """(B, L) and (B, T, 3, S, S) -> (B, L - 1 + V, D)"""
        words = self.language_model.get_input_embeddings()(input_ids.clamp(min=0))
        return put(words, input_ids, self.see(pixel_values).to(words.dtype))

    def see(self, pixel_values: Tensor) -> Tensor:
        """(B, T, 3, S, S) in -1..1 -> (B, V, D)

        Layer by layer, since transformers would keep the output of each, which is a gigabyte for sixteen pictures.
        """
        tower = self.vision_tower
        x = tower.embeddings(rearrange(pixel_values, "b t c h w -> (b t) c h w").to(tower.dtype))
        for layer in tower.encoder.layers[: self.layers]:
            x = layer(x, attention_mask=None)
        return self.mm_projector(rearrange(x, "(b t) p c -> b t p c", b=len(pixel_values)))


def put(sequences: Tensor, input_ids: Tensor, pieces: Tensor) -> Tensor:
    """Each piece in the place of its `VIDEO`: (B, L, ...), (B, L), (B, V, ...) -> (B, L - 1 + V, ...)"""
    places = input_ids == VIDEO
    if (counts := places.sum(dim=1)).ne(1).any():
        raise ValueError(f"a text must hold one place for its video; got {counts.tolist()}")
    rows = zip(sequences, places.int().argmax(dim=1).tolist(), pieces, strict=True)
    return torch.stack([torch.cat([row[:k], piece, row[k + 1 :]]) for row, k, piece in rows])
