"""Networks that others trained on ImageNet, with a new head: the guide's ResNet-18, and EfficientNet-Lite0."""

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torchvision
from safetensors.torch import load_file
from timm.utils.model import freeze as freeze_modules
from torch import nn

from course_utils.data import assets

RESNET18 = (["conv1", "bn1", "relu", "maxpool"], ["layer1"], ["layer2"], ["layer3"], ["layer4"])
EFFICIENTNET_LITE0 = (
    ["conv_stem", "bn1"],
    *([f"blocks.{number}"] for number in range(6)),
    ["blocks.6", "conv_head", "bn2"],
)
NORMALISATION = {
    "resnet18": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "efficientnet_lite0": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and standard deviation of red, green and blue (0 to 1) with which each network was trained."""


def create_backbone(backbone: str = "resnet18", *, pretrained: bool = True) -> nn.Module:
    """Return a network for ImageNet's 1,000 classes, in evaluation mode.

    Args:
        backbone: `"resnet18"` (torchvision, 11.7 million parameters) or `"efficientnet_lite0"` (timm, 4.7 million).
        pretrained: Whether it gets the weights trained on ImageNet; without, it starts at random.

    Raises:
        ValueError: If there is no such network.
        AssetError: If the weights cannot be fetched; the message says what to do.

    See: chapter 04, "What a pretrained network sees".
    """
    if backbone == "resnet18":
        model: nn.Module = torchvision.models.resnet18()
    elif backbone == "efficientnet_lite0":
        model = timm.create_model("tf_efficientnet_lite0")
    else:
        raise ValueError(f"unknown backbone {backbone!r}; use one of {', '.join(NORMALISATION)}")
    if pretrained:
        model.load_state_dict(_weights(backbone, model))
    return model.eval()


def _weights(backbone: str, model: nn.Module) -> dict[str, torch.Tensor]:
    folder = assets.fetch(backbone)
    if (folder / "model.safetensors").exists():
        return load_file(folder / "model.safetensors")
    [file] = folder.glob("*.pth")
    found: dict[str, torch.Tensor] = torch.load(file, weights_only=True)
    names = model.state_dict()
    if (
        found.keys() <= names.keys()
    ):  # torchvision's file is older than the counters of batches, and goes without
        return found
    return dict(zip(names, found.values(), strict=True))  # EfficientNet's names differ, not the order


def create_transfer_model(num_classes: int = 10, *, backbone: str = "resnet18") -> nn.Module:
    """Return a pretrained network with a new last layer; nothing but that layer will change in training.

    Args:
        num_classes: Of your pictures.
        backbone: As `create_backbone` takes it.

    See: chapter 04, "Frozen means frozen".
    """
    return freeze(create_finetuned_model(num_classes, backbone=backbone))


def create_finetuned_model(num_classes: int = 10, *, backbone: str = "resnet18") -> nn.Module:
    """Return a pretrained network with a new last layer; all of it will change in training.

    Args:
        num_classes: Of your pictures.
        backbone: As `create_backbone` takes it.

    See: chapter 04, "Frozen means frozen".
    """
    return replace_head(create_backbone(backbone), num_classes)


def freeze(model: nn.Module, *, trained: int = 0) -> nn.Module:
    """Freeze all stages but the last few, the statistics of their batch normalisation too; return the model.

    Args:
        model: Of this module; changed in place.
        trained: How many stages, counted from the head, go on learning; the head always does.

    Raises:
        ValueError: If the model does not have so many stages.
    """
    names = _stage_names(model)
    if not 0 <= trained <= len(names):
        raise ValueError(f"got trained={trained}, expected 0 to {len(names)}, the stages of this network")
    if frozen := [name for stage in names[: len(names) - trained] for name in stage]:
        freeze_modules(model, frozen, include_bn_running_stats=True)  # without names it would freeze all
    return model


def replace_head(model: nn.Module, num_classes: int) -> nn.Module:
    """Give a model of this module a new last layer, which starts at random; return the model.

    Args:
        model: Changed in place.
        num_classes: Of your pictures.
    """
    name, old = _named_head(model)
    setattr(model, name, nn.Linear(old.in_features, num_classes))
    return model


def head(model: nn.Module) -> nn.Linear:
    """Return the last layer of a model of this module."""
    return _named_head(model)[1]


def stages(model: nn.Module) -> list[nn.Sequential]:
    """Return the parts of a model of this module, from the pixels on, without the head.

    One after another they turn pictures, shape (N, 3, H, W), into maps, shape (N, width, h, w).
    """
    return [nn.Sequential(*(model.get_submodule(n) for n in stage)) for stage in _stage_names(model)]


def features(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return what the head of a model sees of some pictures.

    Args:
        model: Of this module.
        images: Network inputs, shape (N, 3, H, W).

    Returns:
        Shape (N, width): the mean of each map over its places.

    See: chapter 04, "Frozen means frozen".
    """
    maps: torch.Tensor = nn.Sequential(*stages(model))(images)  # (N, width, h, w)
    return maps.mean(dim=(2, 3))


def enlarge(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return square pictures, shape (N, 3, h, h), with `side` pixels each way, by bicubic interpolation.

    They come in the memory order that convolutions read fastest: channel beside channel.
    """
    larger = nn.functional.interpolate(images, size=side, mode="bicubic", antialias=True)
    return larger.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def cached_features(model: nn.Module, images: torch.Tensor, side: int) -> torch.Tensor:
    """Return what the head of a frozen model sees of many pictures, computed once, in evaluation mode.

    Args:
        model: Of this module; it decides the device.
        images: Standardised as `NORMALISATION` says, shape (N, 3, h, h), on any device.
        side: Pixels to which each batch is enlarged.

    Returns:
        Shape (N, width), on the model's device.

    See: chapter 04, "Frozen means frozen".
    """
    device = head(model).weight.device
    model.eval()
    size = 16 if device.type == "cpu" else 256  # measured: on a CPU twice as fast as 64
    return torch.cat([features(model, enlarge(batch.to(device), side)) for batch in images.split(size)])


def parameter_groups(model: nn.Module, rates: Sequence[float]) -> list[dict[str, Any]]:
    """Return an optimiser's groups: the head at the first rate, then stage by stage downwards at the next ones.

    Args:
        model: Of this module; what is frozen is in no group.
        rates: Learning rates; stages beyond their number share the last one.

    See: chapter 04, "Fine-tuning".
    """
    parts: list[nn.Module] = [head(model), *reversed(stages(model))]
    groups = []
    for position, part in enumerate(parts):
        moving = [parameter for parameter in part.parameters() if parameter.requires_grad]
        if moving:
            groups.append({"params": moving, "lr": rates[min(position, len(rates) - 1)]})
    return groups


def _stage_names(model: nn.Module) -> tuple[list[str], ...]:
    return RESNET18 if hasattr(model, "layer4") else EFFICIENTNET_LITE0


def _named_head(model: nn.Module) -> tuple[str, nn.Linear]:
    name = "fc" if hasattr(model, "fc") else "classifier"
    return name, getattr(model, name)
