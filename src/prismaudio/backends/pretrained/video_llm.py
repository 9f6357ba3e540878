"""A vision-language model of transformers on this machine: Qwen3-VL, or any other that turns pictures and text into text.

Where its video processor can run, frames go in as one video with their seconds; else as pictures, each behind its second.
Video processors need torchvision, which is the user's to install beside the right torch. Of all answers the most probable
is taken, so equal questions get equal answers.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

import torch

from prismaudio.backends.pretrained.asking import Answer, Enquiry, Film, Footage, Unanswered, quoted
from prismaudio.backends.pretrained.conversation import Conversation, Processor
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError, read_tensors

Network = Any  # a PreTrainedModel that generates; transformers does not type its many kinds

HUB_ID = "Qwen/Qwen3-VL-4B-Instruct"
WANTED = ("config.json", "*.safetensors")
OPTIONAL = ("*.json", "*.jinja", "*.txt", "*.model")
ADAPTER, ADAPTER_SETTINGS = "adapter_model.safetensors", "adapter_config.json"
MOST_TOKENS = 2048  # of an answer


class VideoLLM:
    """A `VideoModel`."""

    name = "local"
    prefers: Footage = "frames"
    hears = False
    held_to_schema = False

    def __init__(
        self, network: Network, processor: Processor, model: str, most_tokens: int = MOST_TOKENS
    ) -> None:
        self.network = network
        self.processor = processor
        self.model = model
        self.most_tokens = most_tokens
        self.conversation = Conversation(processor)
        self._turn = Lock()

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = HUB_ID,
        adapter: str | Path | None = None,
        device: str = "auto",
        most_tokens: int = MOST_TOKENS,
    ) -> Self:
        """source: a folder in transformers format, or a hub repository. adapter: a folder of LoRA weights for it.

        A source that is itself a folder of LoRA weights brings the model they were made for.
        """
        if adapter is None and (Path(source) / ADAPTER_SETTINGS).is_file():
            source, adapter = adapted_model(Path(source)), source
        folder = resolve(source, WANTED, OPTIONAL)
        processor = load_processor(folder)
        network = load_network(folder)
        if adapter is not None:
            network = with_adapter(network, Path(adapter))
        network.to(available() if device == "auto" else device)
        name = Path(source).name if Path(source).is_dir() else str(source)
        return cls(network, processor, f"{name} + {Path(adapter).name}" if adapter else name, most_tokens)

    @torch.no_grad()
    def ask(self, enquiry: Enquiry) -> Answer:
        if isinstance(enquiry.footage, Film):
            raise Unanswered(f"{self.model} plays no files; send frames")
        with self._turn, telling(self.model):
            prompt = self.conversation.prompt(enquiry, enquiry.footage)
            inputs = self.conversation.read([prompt]).to(self.network.device, self.network.dtype)
            produced = self.network.generate(**inputs, generation_config=self._plainly())
        read = inputs["input_ids"].shape[1]
        answer = produced[0, read:]
        text: str = self.processor.tokenizer.decode(answer, skip_special_tokens=True)
        return Answer(text.strip(), self.model, read, len(answer))

    def _plainly(self) -> Any:
        """The most probable words, whatever the model's own settings are, up to one of its ends."""
        from transformers import GenerationConfig

        own, tokenizer = self.network.generation_config, self.processor.tokenizer
        settings: Any = GenerationConfig
        return settings(
            max_new_tokens=self.most_tokens,
            do_sample=False,
            eos_token_id=own.eos_token_id or tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )


def load_network(folder: Path) -> Network:
    """Every tensor of it from the folder, in the numbers of the file."""
    with extra_for("a local planner"):
        from transformers import AutoModelForImageTextToText

    with readable(folder):
        kind: Any = AutoModelForImageTextToText
        network, found = kind.from_pretrained(
            folder, dtype="auto", local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    lacking = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
    if lacking:
        raise CheckpointError(
            f"{folder} lacks {len(lacking)} tensors, such as {lacking[0]}; get the model again"
        )
    return network.eval().requires_grad_(False)


def load_processor(folder: Path) -> Processor:
    """With its video processor, or, where that cannot run, without it."""
    with extra_for("a local planner"):
        from transformers import AutoProcessor
        from transformers.utils.import_utils import is_torchvision_available

    whole: Any = AutoProcessor
    with readable(folder):
        if is_torchvision_available():
            processor = whole.from_pretrained(folder, local_files_only=True)
        else:
            processor = _of_pictures(folder)
    if getattr(processor, "image_processor", None) is None:
        raise CheckpointError(f"the model in {folder} sees no pictures; give a vision-language model")
    if processor.chat_template is None:
        raise CheckpointError(
            f"{folder} holds no chat template; give a model that was trained to follow instructions"
        )
    return processor


def _of_pictures(folder: Path) -> Any:
    """The processor of the model, which lets its video processor be None."""
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind: Any = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder, local_files_only=True))]

    class OfPictures(kind):  # type: ignore[misc]  # which kind, the model says
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor":
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    parts: dict[str, Any] = {"tokenizer": AutoTokenizer, "image_processor": AutoImageProcessor}
    loaded = [
        parts[name].from_pretrained(folder, local_files_only=True) if name in parts else None
        for name in kind.get_attributes()
    ]
    settings, _ = kind.get_processor_dict(folder, local_files_only=True)
    return OfPictures.from_args_and_dict(loaded, settings)


def with_adapter(network: Network, folder: Path) -> Network:
    """The network with the weights of a LoRA folder added to its own."""
    with extra_for("a LoRA folder", extra="planners"):
        from peft import PeftModel, get_peft_model_state_dict

    if not (folder / ADAPTER).is_file():
        raise CheckpointError(f"no {ADAPTER} in {folder}; give a LoRA folder in the format of peft")
    with readable(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is checked below
        adapted = PeftModel.from_pretrained(network, str(folder))
    apart = set(get_peft_model_state_dict(adapted)) ^ set(read_tensors(folder / ADAPTER))
    if apart:
        raise CheckpointError(
            f"the LoRA in {folder} was made for another model: {min(apart)} has no counterpart"
        )
    return adapted.merge_and_unload().eval().requires_grad_(False)


def adapted_model(folder: Path) -> str:
    """The model that a LoRA folder was made for, as its settings name it."""
    with readable(folder):
        name = json.loads((folder / ADAPTER_SETTINGS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    if not isinstance(name, str):
        raise CheckpointError(
            f"{folder / ADAPTER_SETTINGS} names no model; give it, and the folder as its adapter"
        )
    return name


def available() -> str:
    """The fastest processor of this machine."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What goes wrong with reading comes out in one line."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # a model can be damaged in as many ways as there are kinds of them
        raise CheckpointError(
            f"the model in {folder} cannot be read ({quoted(error)}); get it again"
        ) from error


@contextmanager
def telling(model: str) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise Unanswered(f"no memory left for {model}; take a smaller model, or a shorter clip") from error
    except ValueError as error:
        raise Unanswered(
            f"{model} cannot be asked this ({quoted(error)}); change the hint, or the model"
        ) from error
