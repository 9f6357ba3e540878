"""The README.md of a converted folder: a model card as hubs show it, with everybody's terms."""

from prismaudio.weights.folder import FolderConfig
from prismaudio.weights.layout import CONFIG, NAMES, Layout
from prismaudio.weights.sources import PRISMAUDIO, T5GEMMA, VIDEOPRISM

_FILES = NAMES[Layout.CONVERTED]

CARD = """---
license: other
license_name: research-and-education-only
license_link: https://huggingface.co/{repo}
library_name: prismaudio
pipeline_tag: text-to-audio
base_model: {repo}
tags:
- video-to-audio
- foley
- audio
- stereo
- flow-matching
---

# PrismAudio, as safetensors

The published weights of PrismAudio (Liu et al., ICLR 2026, [arXiv 2511.18833](https://arxiv.org/abs/2511.18833)):
synchronised 44.1 kHz stereo sound for silent video. Converted by {converted_by}, in {dtype}; nothing was trained or
changed. Weights that no network reads are left out, and the codec's weight norm is folded (in float32).

## Load

```sh
pip install "prismaudio[published]"
prismaudio generate clip.mp4 --model FOLDER        # this folder, or its name on a hub
```

```python
from prismaudio import VideoToAudio

VideoToAudio.from_pretrained("FOLDER")("clip.mp4").save("clip.sound.mp4")
```

What is seen and what words mean is told by two models that are not in this folder: `{videoprism}` and `{t5gemma}`.

## Files

| file | what |
|---|---|
| `{config}` | every size, and where this came from |
| `{model}` | transformer and conditioners |
| `{vae}` | codec, float32 |
{synchformer}
## Made from

| file | bytes | SHA-256 |
|---|---|---|
{sources}

## Licences

- **PrismAudio**: {licence}
- **VideoPrism**: {videoprism_licence}
- **T5-Gemma**: {t5gemma_licence}

Whoever passes this folder on passes on these terms.

## Attribution

Huadai Liu, Kaicheng Luo, Wen Wang, Qian Chen, Peiwen Sun, Rongjie Huang, Xiangang Li, Jieping Ye, Wei Xue:
*PrismAudio: Decomposed Chain-of-Thoughts and Multi-dimensional Rewards for Video-to-Audio Generation*, ICLR 2026.
Weights: https://huggingface.co/{repo}. Codec: Stability AI (stable-audio-tools). Synchformer: Iashin, Xie, Rahtu and
Zisserman, ICASSP 2024.
"""


def model_card(config: FolderConfig) -> str:
    """The card of a folder with this config."""
    synchformer = f"| `{_FILES.synchformer}` | when things move: the half of Synchformer that sees |\n"
    return CARD.format(
        repo=PRISMAUDIO.repo,
        converted_by=config.converted_by,
        dtype=config.dtype,
        videoprism=VIDEOPRISM.repo,
        t5gemma=T5GEMMA.repo,
        config=CONFIG,
        model=_FILES.model,
        vae=_FILES.vae,
        synchformer=synchformer if config.synchformer else "",
        sources="\n".join(f"| `{file.name}` | {file.bytes:,} | `{file.sha256}` |" for file in config.sources),
        licence=PRISMAUDIO.licence,
        videoprism_licence=VIDEOPRISM.licence,
        t5gemma_licence=T5GEMMA.licence,
    )
