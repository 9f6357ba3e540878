"""VideoPrism and T5-Gemma of a few thousand random parameters, in folders as transformers writes them."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "a", "dog", "barks", "twice", "at", "the", "door"]
BOS = WORDS.index("<bos>")


def random(network: nn.Module) -> nn.Module:
    """Every parameter drawn, as fresh norms and biases would hide mistakes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            spread = 0.3 if parameter.ndim < 2 else parameter.shape[-1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
    return network.eval()


def videoprism_config() -> transformers.VideoPrismConfig:
    size = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    vision = {"num_spatial_layers": 2, "num_temporal_layers": 2, "num_auxiliary_layers": 1}
    return transformers.VideoPrismConfig(
        vision_config={**size, **vision, "image_size": 54, "num_frames": 8},
        text_config={**size, "num_hidden_layers": 1, "vocab_size": 20},
    )


def save_videoprism(folder: Path) -> transformers.VideoPrismVideoModel:
    """Both towers; -> the one that sees."""
    both = random(transformers.VideoPrismClipModel(videoprism_config()))
    both.save_pretrained(folder)
    return both.video_model


def t5gemma_config() -> transformers.T5GemmaConfig:
    half = {
        "vocab_size": len(WORDS),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    return transformers.T5GemmaConfig(encoder=half, decoder=half, vocab_size=len(WORDS))


def save_t5gemma(folder: Path) -> transformers.T5GemmaForConditionalGeneration:
    """Both halves and a tokenizer; -> all of it."""
    both = random(transformers.T5GemmaForConditionalGeneration(t5gemma_config()))
    both.save_pretrained(folder)
    save_tokenizer(folder)
    return both


def save_tokenizer(folder: Path, words: list[str] = WORDS, begin: bool = True) -> None:
    """A token a word; with `begin`, <bos> before every text."""
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", BOS)]
        )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        model_max_length=4,
    ).save_pretrained(folder)
