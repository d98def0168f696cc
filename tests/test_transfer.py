"""Pretrained networks with a new head: what is loaded, what learns, and what stays as it was."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import torchvision
from local_server import Answer, LocalServer
from safetensors.torch import save
from torch import nn

from course_utils.data import assets
from course_utils.data.assets import AssetError
from course_utils.models import transfer

BACKBONES = ("resnet18", "efficientnet_lite0")
PTH, SAFE = "resnet18-f37072fd.pth", "model.safetensors"
SIDE = 32


@pytest.fixture(scope="session")
def resnet() -> nn.Module:
    """A ResNet-18 with random weights, whose batch statistics are not those of a new one."""
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.resnet18()
    with torch.no_grad():
        model.train()(torch.randn(8, 3, SIDE, SIDE))
    return model.eval()


@pytest.fixture(scope="session")
def official(resnet: nn.Module) -> dict[str, bytes]:
    """Its weights in the two official forms; torchvision's file has no counters of batches."""
    weights = resnet.state_dict()
    old = {name: value for name, value in weights.items() if "num_batches_tracked" not in name}
    pickled = io.BytesIO()
    torch.save(old, pickled)
    return {PTH: pickled.getvalue(), SAFE: save(weights)}


@pytest.fixture
def folder(official: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which ResNet-18's weights are looked for; EfficientNet's are real, from the cache."""
    (tmp_path / SAFE).write_bytes(official[SAFE])
    fetch = assets.fetch
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path if name == "resnet18" else fetch(name))
    return tmp_path


def pictures(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def steps(model: nn.Module, number: int = 3) -> set[str]:
    """Train in training mode; return the names of parameters and buffers that changed."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(number):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pictures()), torch.arange(8) % 5).backward()
        optimizer.step()
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def of_stages(model: nn.Module, numbers: range) -> set[str]:
    """Return the names of all that belongs to some stages."""
    parts = transfer.stages(model)
    inside = {value.data_ptr() for number in numbers for value in parts[number].state_dict().values()}
    return {name for name, value in model.state_dict().items() if value.data_ptr() in inside}


# Loading


@pytest.mark.parametrize("form", [PTH, SAFE])
def test_resnet_is_read_from_both_official_forms(
    folder: Path, official: dict[str, bytes], resnet: nn.Module, form: str
) -> None:
    (folder / SAFE).unlink()
    (folder / form).write_bytes(official[form])
    model = transfer.create_backbone("resnet18")
    assert not model.training
    with torch.no_grad():
        assert torch.equal(model(pictures()), resnet(pictures()))


@pytest.fixture
def sources(
    official: dict[str, bytes], server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LocalServer:
    """A server from which the course's models are fetched, into an empty cache."""
    file, cache = listed(official, server, tmp_path), tmp_path / "cache"
    monkeypatch.setattr(assets, "fetch", partial(assets.fetch, file=file, cache=cache))
    return server


@pytest.mark.parametrize("failure", ["", "wrong hash", "half the bytes", "nothing"])
def test_the_second_form_takes_over_when_the_first_is_not_to_be_had(
    official: dict[str, bytes], resnet: nn.Module, sources: LocalServer, failure: str
) -> None:
    sources.answers = {
        f"/official/{PTH}": damaged(official[PTH], failure),
        f"/copy/{SAFE}": official[SAFE],
    }
    model = transfer.create_backbone("resnet18")
    assert (f"/copy/{SAFE}" in sources.requests) == bool(failure)
    with torch.no_grad():
        assert torch.equal(model(pictures()), resnet(pictures()))


@pytest.mark.parametrize("failure", ["wrong hash", "half the bytes", "nothing"])
def test_without_good_weights_there_is_no_model_and_a_remedy(
    official: dict[str, bytes], sources: LocalServer, failure: str
) -> None:
    for path, form in ((f"/official/{PTH}", PTH), (f"/copy/{SAFE}", SAFE)):
        sources.answers[path] = damaged(official[form], failure)
    with pytest.raises(AssetError, match="by hand") as caught:
        transfer.create_transfer_model(3)
    assert PTH in str(caught.value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LocalServer() as running:
        yield running


def damaged(content: bytes, failure: str) -> Answer:
    """Return what the server answers instead of a file; without a failure, the file."""
    answers: dict[str, Answer] = {
        "": content,
        "wrong hash": content[:-1] + b"?",
        "half the bytes": ("truncated", content),
        "nothing": 404,
    }
    return answers[failure]


def listed(official: dict[str, bytes], server: LocalServer, place: Path) -> Path:
    """Write a list of assets with the two sources."""
    rows = {
        name: f'[{{ path = "{name}", size_bytes = {len(content)}, '
        f'sha256 = "{hashlib.sha256(content).hexdigest()}" }}]'
        for name, content in official.items()
    }
    (place / "assets.toml").write_text(
        f'[resnet18]\ntitle = "t"\nprofile = "full"\nchapters = ["04"]\nlicence = "l"\norigin = "o"\n'
        f"size_bytes = {len(official[PTH])}\nmembers = {rows[PTH]}\ncopy_members = {rows[SAFE]}\n"
        f'urls = ["{server.url}official/"]\ncopy_urls = ["{server.url}copy/"]\n',
        encoding="utf-8",
    )
    return place / "assets.toml"


def test_efficientnet_names_a_strawberry() -> None:
    from course_utils.data import images, photographs

    pixels, labels, names = photographs.load_photographs()
    row = names.index("imagenet_04_949.jpg")
    mean, std = map(torch.tensor, transfer.NORMALISATION["efficientnet_lite0"])
    inputs = images.standardise(pixels[row : row + 1], mean, std)
    with torch.no_grad():
        assert transfer.create_backbone("efficientnet_lite0")(inputs).argmax() == labels[row]


def test_an_unknown_backbone_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="'resnet50'; use one of resnet18, efficientnet_lite0"):
        transfer.create_transfer_model(backbone="resnet50")


def test_without_pretraining_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "fetch", lambda name: pytest.fail(f"fetched {name}"))
    first, second = (transfer.create_backbone(name, pretrained=False) for name in BACKBONES)
    assert sum(p.numel() for p in first.parameters()) == 11_689_512
    assert sum(p.numel() for p in second.parameters()) == 4_652_008


# The guide's two models


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_new_head_has_the_learners_classes(folder: Path, backbone: str) -> None:
    for create in (transfer.create_transfer_model, transfer.create_finetuned_model):
        assert create(backbone=backbone)(pictures(2)).shape == (2, 10)
        assert create(5, backbone=backbone)(pictures(2)).shape == (2, 5)
    assert transfer.head(transfer.create_transfer_model(num_classes=3, backbone=backbone)).out_features == 3


@pytest.mark.parametrize("backbone", BACKBONES)
def test_frozen_means_frozen(folder: Path, backbone: str) -> None:
    model = transfer.create_transfer_model(5, backbone=backbone)
    head = {f"{'fc' if backbone == 'resnet18' else 'classifier'}.{kind}" for kind in ("weight", "bias")}
    assert steps(model) == head
    assert {name for name, p in model.named_parameters() if p.requires_grad} == head


def test_the_guides_way_lets_the_statistics_move() -> None:
    model = transfer.create_finetuned_model(5, backbone="efficientnet_lite0").requires_grad_(False)
    transfer.head(model).requires_grad_(True)
    moved = steps(model)
    statistics = {name for name in model.state_dict() if "running_" in name}
    assert statistics <= moved


@pytest.mark.parametrize("trained", range(9))
def test_the_last_stages_learn_and_no_other(trained: int) -> None:
    model = transfer.freeze(
        transfer.create_finetuned_model(5, backbone="efficientnet_lite0"), trained=trained
    )
    count = len(transfer.stages(model))
    assert count == 8
    moved = steps(model, number=1)
    awake = {name.rpartition(".")[0] for name in of_stages(model, range(count - trained, count))}
    assert {name.rpartition(".")[0] for name in moved} == awake | {"classifier"}


@pytest.mark.parametrize("trained", [-1, 9])
def test_a_network_has_only_so_many_stages(trained: int) -> None:
    model = transfer.create_backbone("efficientnet_lite0", pretrained=False)
    with pytest.raises(ValueError, match=f"trained={trained}, expected 0 to 8"):
        transfer.freeze(model, trained=trained)


@pytest.mark.parametrize("trained", range(6))
def test_every_stage_of_resnet_can_be_the_first_to_learn(folder: Path, trained: int) -> None:
    model = transfer.freeze(transfer.create_finetuned_model(5), trained=trained)
    moved = {name.partition(".")[0] for name in steps(model, number=1)}
    assert moved == {"fc", *("layer4", "layer3", "layer2", "layer1")[:trained]} | (
        {"conv1", "bn1"} if trained == 5 else set()
    )


def test_the_guides_model_learns_everywhere() -> None:
    model = transfer.create_finetuned_model(5, backbone="efficientnet_lite0")
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert steps(model) == set(model.state_dict())


# Features


@pytest.mark.parametrize("backbone", BACKBONES)
def test_features_are_what_the_head_sees(folder: Path, backbone: str) -> None:
    model = transfer.create_transfer_model(5, backbone=backbone).eval()
    seen: list[torch.Tensor] = []
    transfer.head(model).register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        model(pictures())
        assert torch.allclose(transfer.features(model, pictures()), seen[0], atol=1e-5)


def test_cached_features_are_those_of_evaluation_mode_whatever_the_mode() -> None:
    model = transfer.create_finetuned_model(5, backbone="efficientnet_lite0").train()
    small = pictures(20)[:, :, ::2, ::2]
    cached = transfer.cached_features(model, small, SIDE)
    assert cached.shape == (20, 1280)
    assert not cached.requires_grad
    with torch.no_grad():
        assert torch.allclose(
            transfer.features(model.eval(), transfer.enlarge(small, SIDE)), cached, atol=1e-4
        )


def test_enlarging_keeps_a_plain_colour() -> None:
    larger = transfer.enlarge(torch.full((2, 3, 10, 10), 0.25), 33)
    assert larger.shape == (2, 3, 33, 33)
    assert torch.allclose(larger, torch.tensor(0.25))


# An optimiser's groups


@pytest.mark.parametrize("backbone", BACKBONES)
def test_groups_hold_what_learns_and_nothing_else(folder: Path, backbone: str) -> None:
    model = transfer.freeze(transfer.create_finetuned_model(5, backbone=backbone), trained=2)
    groups = transfer.parameter_groups(model, [1e-3, 1e-4, 1e-5])
    assert [group["lr"] for group in groups] == [1e-3, 1e-4, 1e-5]
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert [id(p) for p in groups[0]["params"]] == [id(p) for p in transfer.head(model).parameters()]


def test_stages_beyond_the_rates_share_the_last_one() -> None:
    model = transfer.create_finetuned_model(5, backbone="efficientnet_lite0")
    rates = [group["lr"] for group in transfer.parameter_groups(model, [0.1, 0.01])]
    assert rates == [0.1] + [0.01] * 8
    frozen = transfer.create_transfer_model(5, backbone="efficientnet_lite0")
    assert [group["lr"] for group in transfer.parameter_groups(frozen, [0.1, 0.01])] == [0.1]
