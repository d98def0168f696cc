"""The training loop: it learns, it weights right, and it measures without a trace."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data.batches import TensorBatches
from course_utils.training import Epoch, evaluate, fit, mean_metrics, train_one_epoch

LOSS = nn.CrossEntropyLoss()


def examples(count=23, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=made), torch.randint(3, (count,), generator=made)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(6, 3)


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_one_batch_can_be_overfitted():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    batch = [examples(16)]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    history = fit(model, batch, batch, LOSS, optimizer, epochs=60)
    assert history[0].validation_loss > 0.5
    assert history[-1].validation_loss < 0.02
    assert history[-1].validation_accuracy == 1.0


@limits(max_examples=25, deadline=None)
@given(count=st.integers(1, 23), batch_size=st.integers(1, 30))
def test_a_ragged_last_batch_is_weighted_right(count, batch_size):
    inputs, targets = examples(count)
    model = linear()
    found = evaluate(model, TensorBatches(inputs, targets, batch_size), LOSS)
    logits = model(inputs).detach()
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, targets)), rel=1e-5)
    assert found.accuracy == pytest.approx(float((logits.argmax(1) == targets).float().mean()))


def test_the_training_pass_reports_the_mean_over_its_examples():
    inputs, targets = examples()
    model = linear()
    expected = evaluate(model, [(inputs, targets)], LOSS)
    frozen = torch.optim.SGD(model.parameters(), lr=0.0)
    found = train_one_epoch(model, TensorBatches(inputs, targets, 10), LOSS, frozen)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_step_is_the_one_that_a_hand_written_loop_takes():
    inputs, targets = examples()
    model, by_hand = linear(), linear()
    train_one_epoch(
        model, TensorBatches(inputs, targets, 10), LOSS, torch.optim.SGD(model.parameters(), lr=0.1)
    )
    for start in range(0, len(inputs), 10):
        loss = F.cross_entropy(by_hand(inputs[start : start + 10]), targets[start : start + 10])
        slopes = torch.autograd.grad(loss, list(by_hand.parameters()))
        with torch.no_grad():
            for weight, slope in zip(by_hand.parameters(), slopes, strict=True):
                weight -= 0.1 * slope
    for weight, right in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(weight, right)


def test_evaluation_changes_no_parameter_and_no_statistic():
    model = network()
    train_one_epoch(model, [examples()], LOSS, torch.optim.SGD(model.parameters(), lr=0.1))
    gradients = [weight.grad.clone() for weight in model.parameters()]
    before = state(model)
    evaluate(model, TensorBatches(*examples(seed=1), 5), LOSS)
    assert same(state(model), before)
    assert all(torch.equal(w.grad, g) for w, g in zip(model.parameters(), gradients, strict=True))


def test_evaluation_switches_dropout_and_batch_statistics_off():
    model = network()
    batches = TensorBatches(*examples(), 5)
    first = evaluate(model, batches, LOSS)
    assert first == evaluate(model, batches, LOSS)
    assert not any(part.training for part in model.modules())
    whole = evaluate(model, [examples()], LOSS)  # in eval mode it does not matter who shares a batch
    assert whole == pytest.approx(first, rel=1e-5)


def test_training_switches_them_on_again():
    model = network()
    evaluate(model, [examples()], LOSS)
    before = state(model)
    train_one_epoch(model, [examples()], LOSS, torch.optim.SGD(model.parameters(), lr=0.0))
    assert all(part.training for part in model.modules())
    assert not torch.equal(model[1].running_mean, before["1.running_mean"])


def trained(seed, batches):
    model = network(seed)
    validation = TensorBatches(*examples(9, seed=1), 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    history = fit(model, batches, validation, LOSS, optimizer, epochs=3)
    return state(model), [(row.train_loss, row.validation_loss) for row in history]


def shuffled(seed):
    return TensorBatches(*examples(), 8, generator=torch.Generator().manual_seed(seed))


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    (first, curve), (again, same_curve) = trained(0, shuffled(0)), trained(0, shuffled(0))
    assert same(first, again)
    assert curve == same_curve
    assert not same(first, trained(1, shuffled(0))[0])
    assert not same(first, trained(0, shuffled(1))[0])


def test_a_data_loader_and_tensor_batches_train_alike():
    inputs, targets = examples()
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=8, generator=torch.Generator())
    (first, curve), (second, other) = trained(0, TensorBatches(inputs, targets, 8)), trained(0, loader)
    assert same(first, second)
    assert curve == other


def test_the_history_has_a_row_an_epoch_and_the_scheduler_a_step():
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    batches = TensorBatches(*examples(), 5)
    history = fit(model, batches, batches, LOSS, optimizer, epochs=3, scheduler=scheduler)
    assert [row.epoch for row in history] == [1, 2, 3]
    assert optimizer.param_groups[0]["lr"] == 0.125
    assert all(isinstance(row, Epoch) and row.seconds >= 0 for row in history)
    assert fit(model, batches, batches, LOSS, optimizer, epochs=0) == []


@pytest.mark.parametrize(
    "batches", [[], TensorBatches(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64), 4)]
)
def test_no_batch_is_an_error_and_leaves_the_weights(batches):
    model = linear()
    before = state(model)
    with pytest.raises(ValueError, match="no batch"):
        evaluate(model, batches, LOSS)
    with pytest.raises(ValueError, match="no batch"):
        train_one_epoch(model, batches, LOSS, torch.optim.SGD(model.parameters(), lr=0.1))
    assert same(state(model), before)


def test_a_generator_that_is_used_up_is_an_error():
    model = linear()
    once = iter([examples()])
    with pytest.raises(ValueError, match="used up"):
        fit(model, once, [examples()], LOSS, torch.optim.SGD(model.parameters(), lr=0.1), epochs=2)


def test_targets_that_are_no_classes_have_no_accuracy():
    inputs, targets = torch.randn(10, 6), torch.randn(10, 3)
    model = linear()
    found = evaluate(model, TensorBatches(inputs, targets, 4), nn.MSELoss())
    assert found.loss == pytest.approx(float(F.mse_loss(model(inputs).detach(), targets)), rel=1e-5)
    assert math.isnan(found.accuracy)


def test_the_means_are_the_sums_over_the_count():
    assert mean_metrics(torch.tensor([6.0, 3.0]), 4) == (1.5, 0.75)


def test_training_does_not_keep_the_graph():
    model, twin = linear(), None
    metrics = train_one_epoch(model, [examples()], LOSS, torch.optim.SGD(model.parameters(), lr=0.1))
    assert all(type(value) is float for value in metrics)
    twin = copy.deepcopy(model)  # fails for a parameter that is no leaf
    assert same(state(twin), state(model))
