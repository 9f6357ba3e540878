"""How the files of a published model are named: by the authors, and by `prismaudio convert`."""

from enum import StrEnum
from typing import NamedTuple

CONFIG = "config.json"
VIDEOPRISM_FOLDER, T5GEMMA_FOLDER = "videoprism", "t5gemma"  # the encoders, inside a folder of weights


class Layout(StrEnum):
    """How files are named, and tensors in them."""

    AUTHORS = "the authors'"
    CONVERTED = "converted"


class Names(NamedTuple):
    """The files of a layout."""

    model: str
    vae: str
    synchformer: str


NAMES = {
    Layout.AUTHORS: Names("prismaudio.ckpt", "vae.ckpt", "synchformer_state_dict.pth"),
    Layout.CONVERTED: Names("model.safetensors", "vae.safetensors", "synchformer.safetensors"),
}
HUB_FILES = (*NAMES[Layout.AUTHORS], CONFIG, *NAMES[Layout.CONVERTED])
