"""All of Synchformer in one module, filled from its published file: eyes, ears, and the judge of synchrony."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from prismaudio.backends.pretrained.assembling import sized
from prismaudio.backends.pretrained.folder import ready
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.synchformer import UNUSED, VISUAL
from prismaudio.backends.pretrained.synchformer import published_name as published_visual_name
from prismaudio.backends.pretrained.synchformer_audio import BANDS, FRAMES, PATCH, SoundSegments
from prismaudio.models.checkpoints import check_fit, fill, read_tensors
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.sync_head import SyncHead

PARALLEL = "module."  # before names, if the file was written by several cards
HEAD_WIDTH, JUDGE_HEAD_WIDTH = 64, 96  # of the attention in eyes and ears, and of the judge's

# (ours, theirs) of what is neither seen nor pooled, all applied, in order
NAMES = [
    (r"^ears\.ast\.layers\.(\d+)\.", r"afeat_extractor.ast.encoder.layer.\1."),
    (r"^ears\.ast\.", "afeat_extractor.ast."),
    (r"\.attention\.q_proj\.", ".attention.attention.query."),
    (r"\.attention\.k_proj\.", ".attention.attention.key."),
    (r"\.attention\.v_proj\.", ".attention.attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"^judge\.from_video\.", "vproj."),
    (r"^judge\.from_audio\.", "aproj."),
    (r"^judge\.video_norm\.", "transformer.vis_in_lnorm."),
    (r"^judge\.audio_norm\.", "transformer.aud_in_lnorm."),
    (r"^judge\.vote$", "transformer.OFF_tok"),
    (r"^judge\.between$", "transformer.MOD_tok"),
    (r"^judge\.position$", "transformer.pos_emb_cfg.pos_emb"),
    (r"^judge\.norm\.", "transformer.ln_f."),
    (r"^judge\.to_offsets\.", "transformer.off_head."),
    (r"^judge\.blocks\.", "transformer.blocks."),
    (r"^(transformer\.blocks\.\d+)\.norm\.", r"\1.ln1."),
    (r"^(transformer\.blocks\.\d+)\.feed_norm\.", r"\1.ln2."),
    (r"^(transformer\.blocks\.\d+)\.(query|key|value)\.", r"\1.attn.\2."),
    (r"^(transformer\.blocks\.\d+)\.to_out\.", r"\1.attn.proj."),
    (r"^(transformer\.blocks\.\d+)\.feed_forward\.expand\.", r"\1.mlp.0."),
    (r"^(transformer\.blocks\.\d+)\.feed_forward\.contract\.", r"\1.mlp.2."),
]


class Synchformer(nn.Module):
    """The three parts."""

    def __init__(self, eyes: Motionformer, ears: SoundSegments, judge: SyncHead) -> None:
        super().__init__()
        self.eyes = eyes
        self.ears = ears
        self.judge = judge


def load(path: Path, dtype: torch.dtype = torch.float32) -> Synchformer:
    """From `synchformer_state_dict.pth` or a file of its layout and any size, strictly."""
    state = {
        name.removeprefix(PARALLEL): tensor
        for name, tensor in read_tensors(path).items()
        if not name.removeprefix(PARALLEL).startswith(UNUSED)
    }
    network = sized(build, state, path, "all of Synchformer", "synchformer_state_dict.pth")
    own = network.state_dict()
    check_fit(state, {published_name(name): tensor.shape for name, tensor in own.items()}, path)
    fill(network, {name: state[published_name(name)] for name in own})
    return ready(network, dtype)


def build(state: Mapping[str, Tensor]) -> Synchformer:
    """A network as large as these published tensors say, on the meta device."""
    with extra_for("Synchformer"):
        from transformers import ASTConfig

    place, instants = state[f"{VISUAL}pos_embed"], state[f"{VISUAL}temp_embed"]
    patch = state[f"{VISUAL}patch_embed_3d.proj.weight"]
    width = place.shape[-1]
    heard = state["afeat_extractor.ast.embeddings.cls_token"].shape[-1]
    config = ASTConfig(
        hidden_size=heard,
        num_hidden_layers=_count(state, r"afeat_extractor\.ast\.encoder\.layer"),
        num_attention_heads=max(1, heard // HEAD_WIDTH),
        intermediate_size=len(state["afeat_extractor.ast.encoder.layer.0.intermediate.dense.bias"]),
        max_length=FRAMES,
        num_mel_bins=BANDS,
        patch_size=PATCH,
    )
    positions = state["transformer.pos_emb_cfg.pos_emb"]
    with torch.device("meta"):
        eyes = Motionformer(
            width=width,
            depth=_count(state, r"vfeat_extractor\.blocks"),
            heads=max(1, width // HEAD_WIDTH),
            patch=patch.shape[-1],
            grid=round((place.shape[1] - 1) ** 0.5),
            frames=instants.shape[1] * patch.shape[2],
        )
        judge = SyncHead(
            width=positions.shape[-1],
            depth=_count(state, r"transformer\.blocks"),
            heads=max(1, positions.shape[-1] // JUDGE_HEAD_WIDTH),
            tokens=positions.shape[1],
            offsets=len(state["transformer.off_head.bias"]),
        )
        return Synchformer(eyes, SoundSegments(config), judge)


def published_name(ours: str) -> str:
    """The published name of a tensor of a `Synchformer`."""
    if ours.startswith("eyes."):
        return published_visual_name(ours.removeprefix("eyes."))
    if ours.startswith("ears.pool."):
        pool = published_visual_name(ours.removeprefix("ears."))
        return pool.replace(f"{VISUAL}spatial_attn_agg.", "afeat_extractor.freq_attn_agg.")
    for pattern, replacement in NAMES:
        ours = re.sub(pattern, replacement, ours)
    return ours


def _count(state: Mapping[str, Tensor], stem: str) -> int:
    """How many numbered parts are called `stem`."""
    return 1 + max(int(number) for name in state for number in re.findall(rf"^{stem}\.(\d+)\.", name))
