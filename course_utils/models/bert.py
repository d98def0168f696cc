"""Text networks that others trained: pieces of words, sentence vectors, and the guide's classifier on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BatchEncoding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from course_utils.data import assets

ASSETS = {"minilm": "minilm", "bert": "bert", "bert-base-uncased": "bert"}
"""The course's asset for each name that a model may have here; the last is the guide's."""

POOLINGS = ("mean", "cls", "pooler")
TRAINABLE = ("head", "last layers", "LoRA", "everything")


class EncoderError(ValueError):
    """A text network that is not here, or that is asked for something it does not have."""


def load_encoder(model_name: str = "bert-base-uncased") -> PreTrainedModel:
    """Return a pretrained text network without a head, in evaluation mode.

    Args:
        model_name: `"minilm"` (22.7 million parameters), `"bert"` or `"bert-base-uncased"` (110 million), a folder
            that holds `config.json` and `model.safetensors`, or, with the variable `HF_HUB_OFFLINE` set to 0 before
            the course is imported, any name of the Hugging Face hub.

    Raises:
        EncoderError: If there is no such model here; the message says what to do.
        AssetError: If the weights cannot be fetched.

    See: chapter 04, "BERT reads film reviews".
    """
    source = _source(model_name)
    if model_name not in ASSETS:
        return AutoModel.from_pretrained(source, use_safetensors=True).eval()  # type: ignore[no-any-return]
    model = AutoModel.from_config(AutoConfig.from_pretrained(source))
    model.load_state_dict(_encoder_weights(load_file(Path(source) / "model.safetensors")))
    return model.eval()  # type: ignore[no-any-return]


def _encoder_weights(found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename what BERT base's file calls otherwise, and leave out its heads (`cls.…`) and the places."""
    old = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
    weights = {}
    for name, tensor in found.items():
        for before, after in old.items():
            name = name.replace(before, after)
        if not name.startswith("cls.") and name != "embeddings.position_ids":
            weights[name.removeprefix("bert.")] = tensor
    return weights


def load_tokenizer(model_name: str = "bert-base-uncased") -> PreTrainedTokenizerBase:
    """Return the tokenizer that belongs to a text network.

    Args:
        model_name: As `load_encoder` takes it; a folder then also holds `vocab.txt` or `tokenizer.json`.

    See: chapter 04, "Pieces of words, and attention".
    """
    return AutoTokenizer.from_pretrained(_source(model_name))


def _source(model_name: str) -> str:
    """Return the folder of a model, or its name on the hub where the network may be asked."""
    if model_name in ASSETS:
        return str(assets.fetch(ASSETS[model_name]))
    if Path(model_name).is_dir() or not constants.HF_HUB_OFFLINE:
        return model_name
    raise EncoderError(
        f"no text network {model_name!r} here: use one of {', '.join(ASSETS)}, or a folder with config.json, "
        "model.safetensors and vocab.txt. For a name of the Hugging Face hub set the environment variable "
        "HF_HUB_OFFLINE=0 before the course is imported: the course sets it to 1, so that nothing waits for a network"
    )


def tokenize_text(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int = 128
) -> BatchEncoding:
    """Cut texts into pieces of words and number them; the guide's function.

    Args:
        texts: A list of one or more.
        tokenizer: Of `load_tokenizer`.
        max_length: Most pieces of a text; the rest of it is dropped.

    Returns:
        A mapping with `input_ids` and `attention_mask`, int64, shape (N, longest of these texts); the mask is 1 for
        a real piece and 0 for padding.

    See: chapter 04, "Pieces of words, and attention".
    """
    return tokenizer(  # type: ignore[no-any-return]
        texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
    )


def pool(
    outputs: BaseModelOutputWithPooling, attention_mask: torch.Tensor, pooling: str = "mean"
) -> torch.Tensor:
    """Make one vector of each text from what an encoder returned, shape (N, width).

    Args:
        outputs: With `last_hidden_state`, shape (N, T, width), and for `"pooler"` also `pooler_output`.
        attention_mask: 1 for a real piece, 0 for padding, shape (N, T).
        pooling: `"mean"` of the real pieces; `"cls"`, the first piece, which belongs to no word; or `"pooler"`, a
            layer on top of that piece.

    See: chapter 04, "BERT reads film reviews".
    """
    states: torch.Tensor = outputs.last_hidden_state  # type: ignore[assignment]
    if pooling == "mean":
        mask = attention_mask.unsqueeze(2).to(states.dtype)  # (N, T, 1)
        return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return states[:, 0] if pooling == "cls" else outputs.pooler_output  # type: ignore[return-value]


class BERTClassifier(nn.Module):
    """The guide's classifier: a pretrained text network and a head of two layers.

    What is frozen stays in evaluation mode, also after `train()`: no unit of it is dropped, so its answers can be
    computed once.

    Args:
        model_name: As `load_encoder` takes it.
        num_classes: One logit each.
        pooling: `"mean"` (default), `"cls"`, or `"pooler"`: the guide's, a layer on top of the first piece that
            MiniLM's last training did not use.
        trainable: `"head"` alone, as in the guide; `"last layers"`, two of the encoder; `"LoRA"`, small matrices
            beside query and value of each layer; or `"everything"`.

    Raises:
        EncoderError: If there is no such model, pooling or choice of what is trained.

    See: chapter 04, "BERT reads film reviews".
    """

    def __init__(
        self,
        model_name: str = "bert-base-uncased",
        num_classes: int = 2,
        *,
        pooling: str = "mean",
        trainable: str = "head",
    ) -> None:
        """Load the encoder, choose what is trained, and start the head at random."""
        super().__init__()
        self.bert, self.pooling = load_encoder(model_name), pooling
        self.learning = choose_trainable(self.bert, trainable, pooling)
        self.classifier = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(self.bert.config.hidden_size, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, num_classes),
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map pieces, shape (N, T), and their mask to logits, shape (N, num_classes)."""
        outputs = self.bert(input_ids=input_ids, attention_mask=attention_mask)
        return self.classifier(pool(outputs, attention_mask, self.pooling))  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> BERTClassifier:
        """Put what is trained into training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        self.bert.eval()
        for part in self.learning:
            part.train(mode)
        return self


def choose_trainable(
    encoder: PreTrainedModel, trainable: str = "head", pooling: str = "mean"
) -> list[nn.Module]:
    """Freeze an encoder but for what is asked, and return its parts that learn.

    Args:
        encoder: Of `load_encoder`; changed in place.
        trainable: As `BERTClassifier` takes it.
        pooling: The pooler, a layer of its own, learns only where it is read.

    Raises:
        EncoderError: If there is no such choice.
    """
    if pooling not in POOLINGS or trainable not in TRAINABLE:
        raise EncoderError(
            f"got trainable={trainable!r}, pooling={pooling!r}; expected one of {', '.join(TRAINABLE)} "
            f"and one of {', '.join(POOLINGS)}"
        )
    layers = list(encoder.get_submodule("encoder.layer").children())
    encoder.requires_grad_(trainable == "everything")
    if trainable == "last layers":
        for layer in layers[-2:]:
            layer.requires_grad_(True)
    if trainable == "LoRA":
        from peft import LoraConfig, inject_adapter_in_model  # here, since it takes seconds and few need it

        inject_adapter_in_model(LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"]), encoder)
    if encoder.pooler is not None:
        encoder.pooler.requires_grad_(pooling == "pooler" and trainable != "head")
    learning: dict[str, list[nn.Module]] = {
        "head": [],
        "last layers": layers[-2:],
        "LoRA": layers,
        "everything": [encoder],
    }
    return learning[trainable]


class Trained(nn.Module):
    """What was trained of a model, and nothing else: its state is small, so that it can be kept and passed on.

    Args:
        model: Its parameters that require a gradient are what is saved and loaded.
    """

    def __init__(self, model: nn.Module) -> None:
        """Remember the model; nothing is copied."""
        super().__init__()
        self.model = model

    def state_dict(self, *_: object, **__: object) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """Return the trained parameters by name."""
        named = self.model.named_parameters()
        return {name: parameter.detach() for name, parameter in named if parameter.requires_grad}

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor], *_: object, **__: object) -> None:
        """Put trained parameters back into the model.

        Raises:
            RuntimeError: If they are not exactly those that this model trains.
        """
        if set(state_dict) != set(self.state_dict()):
            raise RuntimeError(f"expected {sorted(self.state_dict())}, got {sorted(state_dict)}")
        self.model.load_state_dict(state_dict, strict=False)


@torch.no_grad()
def embed(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    encoder: PreTrainedModel,
    *,
    batch_size: int = 32,
    max_length: int = 64,
) -> dict[str, torch.Tensor]:
    """Turn texts into vectors with a frozen encoder, short ones with short ones, so that little is padded.

    Args:
        texts: Any number.
        tokenizer: Of `load_tokenizer`.
        encoder: Of `load_encoder`; it decides the device and is put into evaluation mode.
        batch_size: Texts at a time.
        max_length: Most pieces of a text.

    Returns:
        By the name of the pooling, `"mean"`, `"cls"`, `"pooler"`: shape (N, width), in the order of the texts, on
        the encoder's device.

    See: chapter 04, "BERT reads film reviews".
    """
    device = next(encoder.parameters()).device
    encoder.eval()
    order = torch.tensor([len(text) for text in texts]).argsort(descending=True, stable=True)
    rows: dict[str, list[torch.Tensor]] = {pooling: [] for pooling in POOLINGS}
    for batch in order.split(batch_size):
        pieces = tokenize_text([texts[row] for row in batch.tolist()], tokenizer, max_length).to(device)
        outputs = encoder(input_ids=pieces["input_ids"], attention_mask=pieces["attention_mask"])
        for pooling in POOLINGS:
            rows[pooling].append(pool(outputs, pieces["attention_mask"], pooling))
    back = order.argsort()
    return {pooling: torch.cat(parts)[back.to(device)] for pooling, parts in rows.items()}
