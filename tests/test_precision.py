"""A network in nine precisions: each is what its name says, and is compared with the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import checkpoints, export
from course_utils.models.recurrent import PooledTextLSTM
from course_utils.recipes import chapter_06, precision
from course_utils.recipes.precision import PLAIN, STATIC, Subject


class Sum(nn.Module):
    """Takes numbers and a mask of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 3))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.layers(x * mask)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Return what the comparison finds for a network of two inputs, with two draws for calibration."""
    torch.manual_seed(0)
    inputs = (torch.randn(90, 64), (torch.rand(90, 64) > 0.1).float())
    model = Sum().eval()
    labels = model(*inputs).argmax(dim=1).numpy()
    labels[:9] = (labels[:9] + 1) % 3  # one in ten is wrong

    def calibration(seed: int) -> tuple[precision.Array, ...]:
        return tuple(values[seed : seed + 30].numpy() for values in inputs)

    subject = Subject("sum", model, inputs, labels, calibration, input_names=("x", "mask"), rows=32)
    found = precision.compare_precisions(
        subject, tmp_path_factory.mktemp("graphs"), draws=(3, 5), rounds={2: 3}
    )
    return subject, found


def test_every_precision_has_a_row_and_static_ones_a_row_for_each_draw(rows):
    found = [(row["arm"], row["draw"]) for row in rows[1]]
    assert len(set(found)) == len(found) == 11
    assert [draw for arm, draw in found if arm in STATIC] == [3, 5, 3, 5]


def test_rows_are_compared_with_the_network_itself(rows):
    plain = rows[1][0]
    assert plain["arm"] == PLAIN
    assert (plain["agreement"], plain["gained"], plain["lost"], plain["rows"]) == (1, 0, 0, 90)
    assert plain["accuracy"] == pytest.approx(0.9)
    for row in rows[1]:
        assert row["agreement"] > 0.9
        assert row["accuracy"] * 90 == pytest.approx(81 + row["gained"] - row["lost"], abs=0.01)


def test_fewer_bits_are_fewer_bytes(rows):
    sizes = {row["arm"]: row["bytes"] for row in rows[1]}
    for name, size in sizes.items():
        share = size / sizes[PLAIN]
        assert (0.9 < share < 1.1) if "32" in name else (0.45 < share < 0.6) if "16" in name else share < 0.45


def test_times_are_taken_once_for_each_precision(rows):
    timed = [row["arm"] for row in rows[1] if "ms" in row]
    assert len(timed) == len(set(timed)) == 9
    assert all(0 < p50 <= p95 for row in rows[1] if "ms" in row for p50, p95 in row["ms"].values())


def test_the_network_itself_stays_as_it_was(rows):
    model = rows[0].model
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert type(model.layers[0]) is nn.Linear


def test_a_failure_of_the_deprecated_call_is_told(monkeypatch):
    def removed(*_, **__):
        raise AttributeError("removed")

    monkeypatch.setattr(torch.ao.quantization, "quantize_dynamic", removed)
    with pytest.raises(RuntimeError, match="deprecated quantize_dynamic failed: removed"):
        precision.pytorch_arms(nn.Linear(2, 2))


def test_the_text_network_reads_as_chapter_3s_does_and_can_be_exported(tmp_path):
    torch.manual_seed(0)
    model = chapter_06.UnpackedTextLSTM(50).eval()
    packed = PooledTextLSTM(50).eval()
    packed.load_state_dict(model.state_dict())
    full = torch.randint(1, 50, (5, 12))  # nothing is padded
    with torch.no_grad():
        assert torch.allclose(model(full), packed(full), atol=1e-6)
    axes = ({0: "batch", 1: "words"},)
    problem, _ = export.with_warnings(  # the exporter's remarks on an LSTM's weights
        lambda: export.export_to_onnx(model, full[:3], tmp_path / "text.onnx", dynamic=axes)
    )
    assert problem is None
    opened = export.open_graph(tmp_path / "text.onnx")
    for given in (full, full[:1, :7], torch.nn.functional.pad(full, (0, 3))):
        with torch.no_grad():
            expected = model(given).numpy()
        assert np.abs(export.run_graph(opened, given.numpy()) - expected).max() < 1e-5


def test_the_head_of_two_logits_says_what_the_probe_says():
    torch.manual_seed(0)
    one, inputs = nn.Linear(6, 1), torch.randn(20, 6)
    two = chapter_06.two_logits(one)
    assert torch.allclose(two(inputs).softmax(dim=1)[:, 1], one(inputs)[:, 0].sigmoid(), atol=1e-6)


def test_the_sentence_model_does_not_read_the_padding():
    class Encoder(nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
            states = input_ids[..., None].float().expand(-1, -1, 4)
            return type("Outputs", (), {"last_hidden_state": states})

    model = chapter_06.SentenceClassifier(Encoder(), nn.Linear(4, 2))
    ids = torch.tensor([[3, 5, 9, 9]])
    assert torch.equal(
        model(ids, torch.tensor([[1, 1, 0, 0]])), model(ids[:, :2], torch.ones(1, 2, dtype=torch.long))
    )


def test_calibration_is_drawn_by_seed():
    draw = chapter_06.drawn_from(torch.arange(100), 10)
    assert np.array_equal(draw(1)[0], draw(1)[0])
    assert not np.array_equal(draw(1)[0], draw(2)[0])
    assert len(set(draw(1)[0].tolist())) == 10


def test_the_shipped_table_holds_five_networks_in_nine_precisions():
    found = checkpoints.read_story("06_text_lstm")["rows"]
    timed = {(row["network"], row["arm"]) for row in found if "ms" in row}
    assert len(timed) == 45
    assert len({network for network, _ in timed}) == 5
    static = [row for row in found if row["arm"] in STATIC]
    assert len(static) == 5 * 2 * chapter_06.DRAWS


@pytest.mark.parametrize("at_random", [False, True])
def test_pruning_takes_a_share_over_all_layers_and_leaves_the_network(at_random):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pruned = precision.pruned(model, ("0", "2"), 0.7, at_random=at_random)
    kept = torch.cat([pruned[place].weight.flatten() for place in (0, 2)])
    assert int((kept == 0).sum()) == round(0.7 * 900)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert pruned.state_dict().keys() == before.keys()
    if not at_random:
        largest = torch.cat([model[place].weight.flatten() for place in (0, 2)]).abs()
        assert largest[kept != 0].min() >= largest[kept == 0].max()
    whole, zipped = precision.file_sizes(pruned)
    assert zipped < 0.6 * whole
    assert whole == precision.file_sizes(model)[0]
