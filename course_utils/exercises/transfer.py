"""Exercises on networks that others trained: the mode of a half-frozen one, and a rate for each part."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from course_utils.exercises.answers import same, shown
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call, copied, network

Groups = list[dict[str, Any]]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MOODY = (*NORMS, nn.Dropout, nn.Dropout2d)
"""Layers that compute something else in training mode."""


# --- 4.1: training mode for a network that is half frozen -----------------------------------------------------


def my_train_mode(model: nn.Module) -> nn.Module:
    model.train()
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and not layer.weight.requires_grad:
            layer.eval()
    return model


def half_frozen() -> list[tuple[str, nn.Module]]:
    """Return networks in several modes, each with words that describe it."""
    first = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.Dropout()
    )
    first[:2].requires_grad_(False)
    block = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.LayerNorm(4))
    block[1:].requires_grad_(False)
    second = nn.Sequential(block, nn.ReLU(), nn.Linear(4, 3), nn.BatchNorm1d(3))
    second[2].requires_grad_(False)
    third = nn.Sequential(nn.Conv2d(1, 2, 1), nn.GroupNorm(1, 2), nn.BatchNorm2d(2), nn.Dropout2d())
    return [
        ("for a network in evaluation mode, frozen up to its first BatchNorm, ", first.eval()),
        ("for a network in training mode whose block has a frozen BatchNorm, ", second.train()),
        ("for a network that is frozen as a whole, ", third.requires_grad_(False).eval()),
    ]


def examine_train_mode(answer: Any) -> None:
    for words, model in half_frozen():
        right, given = my_train_mode(copied(model)), model.state_dict()
        found = network(call(answer, model), words)
        layers = dict(found.named_modules())
        state = found.state_dict()
        if list(layers) != [name for name, _ in right.named_modules()] or list(state) != list(given):
            raise NotYet(f"{words}expected the network that came in, with the same layers; got another one")
        for name, value in given.items():
            same(state[name], value, f"{words}as {name} ", advice="a mode changes no number")
        for name, layer in right.named_modules():
            if layers[name].training != layer.training and (not name or isinstance(layer, MOODY)):
                raise NotYet(f"{words}{_mode(name, layer)}")
        free = [name for name, weight in model.named_parameters() if weight.requires_grad]
        if free != [name for name, weight in found.named_parameters() if weight.requires_grad]:
            raise NotYet(f"{words}expected that what is frozen stays frozen, and nothing else is")


def _mode(name: str, layer: nn.Module) -> str:
    kind = f"{type(layer).__name__} {name!r}" if name else "the network itself"
    if isinstance(layer, NORMS):
        kind += ", whose weight learns," if layer.weight.requires_grad else ", whose weight is frozen,"
    modes = ("training", "evaluation") if layer.training else ("evaluation", "training")
    return f"expected {kind} in {modes[0]} mode, got it in {modes[1]} mode"


def trains_everything(model: nn.Module) -> nn.Module:
    return model.train()


def stops_every_norm(model: nn.Module) -> nn.Module:
    model.train()
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.eval()
    return model


def stops_whatever_is_frozen(model: nn.Module) -> nn.Module:
    model.train()
    for layer in model.modules():
        if not any(parameter.requires_grad for parameter in layer.parameters()):
            layer.eval()
    return model


# --- 4.3: a rate for each part --------------------------------------------------------------------------------


def my_groups(parts: list[nn.Module], rate: float, factor: float) -> Groups:
    groups = []
    for part in parts:
        moving = [parameter for parameter in part.parameters() if parameter.requires_grad]
        if moving:
            groups.append({"params": moving, "lr": rate})
        rate = rate / factor
    return groups


def stacks_of_parts() -> list[tuple[list[nn.Module], float, float]]:
    """Return lists of parts, head first: all free, frozen in the middle, frozen in part and at the end."""
    free: list[nn.Module] = [nn.Linear(4, 2), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Conv2d(1, 3, 2)]
    gap = [nn.Linear(3, 2), nn.BatchNorm1d(3).requires_grad_(False), nn.ReLU(), nn.Linear(2, 3, bias=False)]
    half = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    half[0].requires_grad_(False)
    ends: list[nn.Module] = [nn.Linear(2, 5), half, nn.Linear(4, 2).requires_grad_(False)]
    for part in (*free, *gap, *ends):
        for parameter in part.parameters():
            parameter.data.uniform_(-1, 1)  # so that each can be told from all others
    return [(free, 0.1, 10.0), (gap, 0.02, 3.0), (ends, 1e-3, 2.5)]


def examine_groups(answer: Any) -> None:
    for parts, rate, factor in stacks_of_parts():
        kinds = ", ".join(_named(part) for part in parts)
        words = f"for {kinds}, rate {rate:g}, factor {factor:g} "
        expected = my_groups(copied(parts), rate, factor)
        found = _taken(call(answer, parts, rate, factor), words)
        for number, (group, right) in enumerate(zip(found, expected, strict=False)):
            _same_parameters(group["params"], right["params"], parts, f"{words}in group {number} ")
            same(group["lr"], right["lr"], f'{words}as "lr" of group {number} ')
        if len(found) != len(expected):
            raise NotYet(f"{words}expected {len(expected)} groups, got {len(found)}")


def _named(part: nn.Module) -> str:
    frozen = sum(not parameter.requires_grad for parameter in part.parameters())
    share = "" if not frozen else " (frozen)" if frozen == len(list(part.parameters())) else " (half frozen)"
    return type(part).__name__ + share


def _taken(groups: Any, words: str) -> Groups:
    """Return the groups as an optimiser reads them."""
    listed = list(groups) if isinstance(groups, tuple) else groups
    if not isinstance(listed, list) or not all(isinstance(group, dict) for group in listed):
        raise NotYet(f'{words}expected a list of dicts with "params" and "lr", got {shown(groups)}')
    for number, group in enumerate(listed):
        missing = [key for key in ("params", "lr") if key not in group]
        if missing:
            raise NotYet(f"{words}expected {missing[0]!r} in group {number}, got {shown(list(group))}")
    try:
        return torch.optim.SGD([dict(group) for group in listed], lr=1.0).param_groups
    except Exception as error:
        raise NotYet(f"{words}expected groups that an optimiser takes; it says: {error}") from error


def _same_parameters(
    found: Sequence[torch.Tensor], right: Sequence[torch.Tensor], parts: Any, words: str
) -> None:
    owned = {_print(parameter): parameter.requires_grad for part in parts for parameter in part.parameters()}
    got, wanted = [_print(parameter) for parameter in found], [_print(parameter) for parameter in right]
    if any(owned.get(one) is False for one in got):
        raise NotYet(f"{words}expected only parameters that learn, got a frozen one")
    if not all(parameter.requires_grad for parameter in found) or any(one not in owned for one in got):
        raise NotYet(
            f"{words}expected the parameters of the parts themselves, got other tensors, such as copies"
        )
    if sorted(got) != sorted(wanted):
        shapes = [[tuple(parameter.shape) for parameter in some] for some in (right, found)]
        raise NotYet(f"{words}expected the parameters of shapes {shapes[0]}, got {shapes[1]}")


def _print(parameter: torch.Tensor) -> tuple[tuple[int, ...], bytes]:
    """Return what tells a parameter from all others, also where it was copied."""
    values = parameter.detach().cpu().float().contiguous().numpy()
    return tuple(values.shape), values.tobytes()


def skips_frozen_parts(parts: list[nn.Module], rate: float, factor: float) -> Groups:
    moving = [[p for p in part.parameters() if p.requires_grad] for part in parts]
    return [
        {"params": some, "lr": rate / factor**place}
        for place, some in enumerate(some for some in moving if some)
    ]


def holds_the_frozen(parts: list[nn.Module], rate: float, factor: float) -> Groups:
    return [
        {"params": list(part.parameters()), "lr": rate / factor**place} for place, part in enumerate(parts)
    ]
