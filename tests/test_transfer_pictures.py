"""Few pictures: draws, frozen features, the tail that learns, training from scratch."""

import numpy as np
import pytest
import torch

from course_utils import checkpoints
from course_utils.data.images import ImagePart
from course_utils.models import transfer
from course_utils.recipes import chapter_04
from course_utils.recipes import transfer_pictures as recipe

BACKBONE = "efficientnet_lite0"


@pytest.fixture
def pictures():
    source = torch.Generator().manual_seed(0)
    return torch.randn(12, 3, 40, 40, generator=source), torch.arange(12) % 3


def fresh(trained, *, pretrained=True, seed=0):
    return recipe.fresh_model(3, BACKBONE, trained=trained, pretrained=pretrained, seed=seed)


def test_a_draw_has_as_many_of_each_class_and_grows_with_the_count():
    labels = torch.tensor([0] * 30 + [1] * 4 + [2] * 30)
    small, large = (recipe.few_of_each(labels, count, seed=3) for count in (3, 10))
    assert labels[small].bincount().tolist() == [3, 3, 3]
    assert labels[large].bincount().tolist() == [10, 4, 10]
    assert set(small.tolist()) < set(large.tolist())
    assert len(large.unique()) == 24
    assert torch.equal(large, recipe.few_of_each(labels, 10, seed=3))
    assert set(large.tolist()) != set(recipe.few_of_each(labels, 10, seed=4).tolist())


def test_a_probe_is_one_linear_layer():
    numbers = np.random.default_rng(0)
    features, labels = numbers.normal(3, 5, (60, 8)), np.arange(60) % 4
    probe = recipe.linear_probe().fit(features, labels)
    layer = recipe.folded(probe)
    logits = layer(torch.from_numpy(features).float()).detach().numpy()
    assert np.array_equal(logits.argmax(axis=1), probe.predict(features))
    assert logits == pytest.approx(probe.decision_function(features), abs=1e-4)


def test_neighbours_vote_by_angle_and_a_tie_goes_to_the_smaller_label():
    features = np.array([[1.0, 0.1], [50.0, 1.0], [0.1, 1.0], [0.0, 9.0]])
    said = recipe.nearest_neighbours(1).fit(features, [0, 1, 2, 2]).predict([[0.1, 0.002], [0.0, 0.01]])
    assert said.tolist() == [1, 2]
    tied = recipe.nearest_neighbours(2).fit(features, [3, 1, 2, 2]).predict([[5.0, 0.1]])
    assert tied.tolist() == [1]


@pytest.mark.parametrize("trained", [0, 1, 2, 8])
def test_frozen_stages_and_the_tail_are_the_whole_network(pictures, trained):
    model = fresh(trained).eval()
    maps = recipe.maps_before(model, pictures[0], trained, 64)
    with torch.inference_mode():
        logits = recipe.tail(model, trained).eval()(maps)
        assert torch.allclose(logits, model(transfer.enlarge(pictures[0], 64)), atol=1e-4)


def test_training_changes_the_tail_and_nothing_before_it(pictures):
    model = fresh(1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    part = ImagePart(recipe.maps_before(model, pictures[0], 1, 64), pictures[1])
    groups = transfer.parameter_groups(model, (1e-2, 1e-3))
    told = recipe.fit_and_time(recipe.tail(model, 1), groups, part, part, epochs=2, seed=0)
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert {name.split(".")[0] for name in changed} == {"blocks", "conv_head", "bn2", "classifier"}
    assert {name for name in changed if name.startswith("blocks")} == {
        name for name in changed if name.startswith("blocks.6")
    }
    assert len(told["validation"]) == len(told["seconds"]) == 2
    assert 0 < told["seconds"][0] < told["seconds"][1]
    moving = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert told["parameters"] == moving


def test_without_pretraining_nothing_is_left_of_imagenet():
    first, second = (fresh(8, pretrained=False, seed=seed) for seed in (0, 0))
    known = fresh(8)
    assert torch.equal(first.conv_stem.weight, second.conv_stem.weight)
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    kept = [n for n, p in known.named_parameters() if p.dim() > 1 and torch.equal(p, first.get_parameter(n))]
    assert set(kept) <= {"classifier.weight"}


def test_the_network_from_scratch_learns_and_repeats_itself():
    labels = torch.arange(40) % 2
    images = (
        torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(1)) + labels[:, None, None, None]
    )
    first, again, other = (recipe.train_from_scratch(images, labels, 2, seed=s, steps=20) for s in (0, 0, 1))
    right = recipe.right_by_picture(first, ImagePart(images, labels))
    assert right.dtype == torch.bool
    assert right.float().mean() > 0.9
    assert torch.equal(first.fc.weight, again.fc.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)
    assert recipe.scratch_steps(90) == 144
    assert recipe.scratch_steps(2000) > recipe.scratch_steps(450)


def test_answers_come_back_from_a_story():
    right = torch.rand(37, generator=torch.Generator().manual_seed(2)) < 0.5
    told = chapter_04._packed(right)
    assert recipe.unpacked(told["right"], 37).tolist() == right.float().tolist()
    assert told["test"] == pytest.approx(right.float().mean().item(), abs=1e-4)


def test_shipped_tables_have_every_arm_on_the_same_draws():
    runs = checkpoints.read_story("04_photographs")["runs"]
    keys = {
        arm: {(run["each"], run["draw"]) for run in runs if run["arm"] == arm}
        for arm in {r["arm"] for r in runs}
    }
    assert keys["probe"] == keys["neighbours"] == keys["from scratch"] > keys["2 stages"]
    assert {each for each, _ in keys["probe"]} == set(chapter_04.SIZES)
    story = checkpoints.read_story("04_pictures")
    for run in story["runs"]:
        assert run["test"] == pytest.approx(1 - len(run["wrong"]) / story["tested"], abs=1e-4)
    arms = [[(r["arm"], r["rates"]) for r in story["runs"] if r["draw"] == d] for d in (0, 1)]
    assert arms[0] == arms[1]
    assert len(arms[0]) == len(chapter_04.ARMS) + 2
