"""The symptoms of patients that raise no error, and the clinic that looks for them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.exercise import NotYet
from course_utils.exercises.grading import clinic
from course_utils.exercises.symptoms import not_seen, other_than, stands_still, two_answers

NAMES = ("cat", "dog", "gnu")


@pytest.mark.parametrize("logits", [torch.tensor([[0.0, 2.0, 1.0]]), [0, 2, 1], np.array([-5.0, -1.0, -2.0])])
def test_a_picture_that_is_seen_has_no_symptom(logits):
    assert not_seen("dog", NAMES)(logits) == ""
    assert not_seen("gnu", NAMES)(logits) == "a picture of 'gnu' is taken for 'dog'"


def test_other_logits_than_the_classes_are_named():
    assert not_seen("dog", NAMES)(torch.zeros(1, 10)) == "expected 3 logits of one picture, got 10"
    with pytest.raises(NotYet, match="expected the logits of one picture, got"):
        not_seen("dog", NAMES)([1.0, torch.nan, 0.0])
    with pytest.raises(ValueError, match="not in tuple"):
        not_seen("cow", NAMES)


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([2.3, 1.5, 1.1], ""),
        (np.array([2.3, 2.0]), ""),
        ([torch.tensor(2.3), torch.tensor(2.3)], "the loss was 2.3000, and after all steps it is 2.3000"),
        ([1.0, 0.5, 3.0], "the loss was 1.0000, and after all steps it is 3.0000"),
        ([1.0], "expected the losses of all steps, got [1.0]"),
    ],
)
def test_a_loss_that_stands_still_is_a_symptom(losses, words):
    assert stands_still(losses) == words


@pytest.mark.parametrize("nothing", [[], [1.0, float("nan")], [1.0, float("inf")], "2.3", None])
def test_what_are_no_losses_is_said(nothing):
    with pytest.raises(NotYet, match="expected the losses of all steps"):
        stands_still(nothing)


def test_two_answers_to_one_input_are_a_symptom():
    assert two_answers([[1.0, 2.0], [1.0, 2.0004]]) == ""
    assert two_answers(torch.tensor([[1.0, 2.0], [1.0, 3.0]])) == (
        "the same input gets two answers: number 1 is 2.000 and 3.000"
    )
    assert two_answers([1.0, 1.0]) == "expected two answers, got numbers of shape (2,)"
    assert two_answers(torch.zeros(3, 2)) == "expected two answers, got numbers of shape (3, 2)"


# --- In the clinic ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([2.0, 1.0], "✓ losses: healed"),
        ([2.0, 2.0], "✗ losses: no error, but the loss was 2.0000, and after all steps it is 2.0000"),
        ("many", "✗ losses: no error, but expected the losses of all steps, got 'many'"),
        (..., "✗ losses: no error, and nothing came out: hand what the cell makes to `healed`"),
    ],
)
def test_the_clinic_looks_for_the_symptom(value, words, capsys):
    with clinic("losses", symptom=stands_still) as healed:
        healed(value)
    assert capsys.readouterr().out == words + "\n"


def test_an_emptied_cell_keeps_its_symptom(capsys):
    with clinic("losses", symptom=stands_still):
        pass
    assert "✗ losses: no error, and nothing came out" in capsys.readouterr().out


def test_the_shape_comes_before_the_symptom(capsys):
    for value, words in (
        (torch.ones(2, 3), "✗ dog: no error, but expected a result of shape (1, 3), got (2, 3)\n"),
        (torch.tensor([[3.0, 2, 1]]), "✗ dog: no error, but a picture of 'dog' is taken for 'cat'\n"),
        (torch.tensor([[1.0, 2, 1]]), "✓ dog: healed\n"),
    ):
        with clinic("dog", expect=(1, 3), symptom=not_seen("dog", NAMES)) as healed:
            healed(value)
        assert capsys.readouterr().out == words


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = OrderedDict(
        conv=nn.Conv2d(3, 8, 3), bn=nn.BatchNorm2d(8), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1)
    )
    return nn.Sequential(OrderedDict(**parts, flat=nn.Flatten(), fc=nn.Linear(8, 4)))


@pytest.mark.parametrize(("frozen", "mark"), [(("conv", "bn", "fc"), "✗"), (("conv", "bn"), "✓")])
def test_a_frozen_head_is_found_and_healed(frozen, mark, capsys):
    with clinic("frozen head", symptom=stands_still) as healed:
        model, losses = network().eval(), []
        for name in frozen:
            model.get_submodule(name).requires_grad_(False)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        images, labels = torch.randn(16, 3, 8, 8), torch.arange(16) % 4
        for _ in range(30):
            loss = F.cross_entropy(model(images), labels).requires_grad_()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        healed(losses)
    assert capsys.readouterr().out.startswith(f"{mark} frozen head")


@pytest.mark.parametrize(("mode", "mark"), [(True, "✗"), (False, "✓")])
def test_train_mode_at_prediction_is_found_and_healed(mode, mark, capsys):
    with clinic("company", symptom=two_answers) as healed, torch.no_grad():
        model, images = network().train(mode), torch.randn(8, 3, 8, 8)
        healed(torch.stack([model(images)[0], model(images[:1])[0]]))
    assert capsys.readouterr().out.startswith(f"{mark} company")


def test_another_number_is_told():
    symptom = other_than(0.98, "the accuracy")
    assert symptom(0.981) == symptom(torch.tensor([0.975])) == ""
    assert symptom(0.5) == "the accuracy is 0.5, and must be 0.98"
    assert symptom([0.98, 0.98]) == "expected one number, the accuracy, got 2"
    with pytest.raises(NotYet):
        symptom(float("nan"))
