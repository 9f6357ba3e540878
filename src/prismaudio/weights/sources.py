"""What the published model is made of: which repositories, which of their files, for what, under which licence."""

from typing import NamedTuple

from prismaudio.weights.layout import CONFIG, NAMES, T5GEMMA_FOLDER, VIDEOPRISM_FOLDER, Layout


class Wanted(NamedTuple):
    """A file, or several: a name as shells match names."""

    pattern: str
    purpose: str
    needed: bool = True


class Source(NamedTuple):
    """A repository of the hub and what is wanted of it."""

    repo: str
    folder: str  # where its files go inside a folder of weights; "" is the folder itself
    files: tuple[Wanted, ...]
    licence: str  # in its authors' words, shortened

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(file.pattern for file in self.files if file.needed)

    @property
    def optional(self) -> tuple[str, ...]:
        return tuple(file.pattern for file in self.files if not file.needed)


_AUTHORS, _CONVERTED = NAMES[Layout.AUTHORS], NAMES[Layout.CONVERTED]

GENERATOR_LICENCE = (
    "The model card says MIT, the authors' GitHub README Apache-2.0; both add: code, weights and data for research "
    "and education only, no commercial use. The codec derives from Stability AI's (Stability AI Community License). "
    "Synchformer is by Iashin et al., 2024."
)

# either layout; which one a repository has, its list of files tells
GENERATOR_FILES = (
    Wanted(_AUTHORS.model, "transformer and codec", needed=False),
    Wanted(_AUTHORS.vae, "codec, instead of the one above", needed=False),
    Wanted(_AUTHORS.synchformer, "when things move", needed=False),
    Wanted(CONFIG, "size of the model", needed=False),
    Wanted(_CONVERTED.model, "transformer", needed=False),
    Wanted(_CONVERTED.vae, "codec", needed=False),
    Wanted(_CONVERTED.synchformer, "when things move", needed=False),
)

PRISMAUDIO = Source("FunAudioLLM/PrismAudio", "", GENERATOR_FILES, GENERATOR_LICENCE)

# its makers' own file: others' conversions name tensors in more than one way
VIDEOPRISM = Source(
    "google/videoprism-lvt-large-f8r288",
    VIDEOPRISM_FOLDER,
    (Wanted("flax_lvt_large_f8r288_repeated.npz", "what is seen"),),
    "Google's VideoPrism: software Apache-2.0, other materials CC-BY 4.0.",
)

T5GEMMA = Source(
    "google/t5gemma-l-l-ul2-it",
    T5GEMMA_FOLDER,
    (
        Wanted("config.json", "what words mean: size"),
        Wanted("model*.safetensors", "what words mean"),
        Wanted("tokenizer*", "what words mean: tokenizer"),
        Wanted("model.safetensors.index.json", "what words mean: index", needed=False),
        Wanted("special_tokens_map.json", "what words mean: tokenizer", needed=False),
    ),
    "Gemma Terms of Use (https://ai.google.dev/gemma/terms), to be accepted on the model's page.",
)


def generator(model: str) -> Source:
    """Where the generator called `model` comes from; of others than the authors' the hub alone tells the licence."""
    repo, _, _ = model.partition("@")
    return PRISMAUDIO if repo == PRISMAUDIO.repo else Source(repo, "", GENERATOR_FILES, "")
