"""A vision-language model of transformers on this machine: Qwen3-VL, or any other that turns pictures and text into text.

Where its video processor can run, frames go in as one video with their seconds; else as pictures, each behind its second.
Video processors need torchvision, which is the user's to install beside the right torch.
"""

import json
from pathlib import Path
from typing import Any, Self

from prismaudio.backends.pretrained.asking import Enquiry
from prismaudio.backends.pretrained.conversation import Conversation, Processor
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.local_llm import (
    MOST_TOKENS,
    Generated,
    LocalLLM,
    Network,
    called,
    placed,
    readable,
    with_adapter,
)
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames

HUB_ID = "Qwen/Qwen3-VL-4B-Instruct"
WANTED = ("config.json", "*.safetensors")
OPTIONAL = ("*.json", "*.jinja", "*.txt", "*.model")
ADAPTER_SETTINGS = "adapter_config.json"


class VideoLLM(LocalLLM):
    """A `VideoModel` over the network and the processor of a model that transformers knows."""

    def __init__(
        self, network: Network, processor: Processor, model: str, most_tokens: int = MOST_TOKENS
    ) -> None:
        super().__init__(processor.tokenizer, model, most_tokens)
        self.network = network
        self.processor = processor
        self.conversation = Conversation(processor)

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
        network.to(placed(device))
        return cls(network, processor, called(source, adapter), most_tokens)

    def _generate(self, enquiry: Enquiry, frames: Frames) -> Generated:
        prompt = self.conversation.prompt(enquiry, frames)
        inputs = self.conversation.read([prompt]).to(self.network.device, self.network.dtype)
        settings = self._plainly(self.network.generation_config)
        produced = self.network.generate(**inputs, generation_config=settings)
        read = inputs["input_ids"].shape[1]
        return Generated(read, produced[0, read:])


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


def adapted_model(folder: Path) -> str:
    """The model that a LoRA folder was made for, as its settings name it."""
    with readable(folder):
        name = json.loads((folder / ADAPTER_SETTINGS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    if not isinstance(name, str):
        raise CheckpointError(
            f"{folder / ADAPTER_SETTINGS} names no model; give it, and the folder as its adapter"
        )
    return name
