"""Text networks: pieces and masks, three poolings, what is frozen stays frozen, and what was trained comes back."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertForPreTraining, BertModel

from course_utils import checkpoints
from course_utils.checkpoints import CheckpointError
from course_utils.data import assets
from course_utils.data.text import Texts
from course_utils.models import bert
from course_utils.models.bert import BERTClassifier, EncoderError, Trained
from course_utils.recipes import text_probes, transfer_texts

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "good",
    "bad",
    "film",
    "very",
    "un",
    "##good",
    ".",
    "the",
]
TEXTS = ["the good film.", "bad.", "the very very bad film", "ungood"]


def small_config() -> BertConfig:
    return BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=40,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small BERT on disk, as an asset holds one."""
    place = tmp_path_factory.mktemp("small_bert")
    torch.manual_seed(0)
    model = BertModel(small_config())
    save_file(model.state_dict(), place / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(place)
    (place / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    return str(place)


@pytest.fixture
def parts(folder):
    return bert.load_tokenizer(folder), bert.load_encoder(folder)


def test_a_text_becomes_pieces_numbers_and_a_mask(parts):
    tokenizer, _ = parts
    pieces = bert.tokenize_text(["ungood film", "Bad"], tokenizer)
    assert pieces["input_ids"].tolist() == [[2, 9, 10, 7, 3], [2, 6, 3, 0, 0]]
    assert pieces["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert bert.tokenize_text(["the film " * 50], tokenizer, 8)["input_ids"].shape == (1, 8)


@pytest.mark.parametrize("pooling", bert.POOLINGS)
def test_the_company_of_a_text_changes_no_vector(parts, pooling):
    tokenizer, encoder = parts
    together = bert.embed(TEXTS, tokenizer, encoder)[pooling]
    alone = torch.cat([bert.embed([text], tokenizer, encoder)[pooling] for text in TEXTS])
    assert together.shape == (4, 16)
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


def test_vectors_come_in_the_order_of_the_texts_whatever_the_batch(parts):
    one, many = (bert.embed(TEXTS * 3, *parts, batch_size=size)["mean"] for size in (1, 5))
    assert torch.allclose(one, many, atol=1e-5)
    assert torch.allclose(many[:4], many[4:8], atol=1e-5)


def test_the_three_poolings_are_what_they_are_called(parts):
    tokenizer, encoder = parts
    pieces = bert.tokenize_text(TEXTS[:2], tokenizer)
    outputs = encoder(pieces["input_ids"], pieces["attention_mask"])
    mean, first, pooler = (bert.pool(outputs, pieces["attention_mask"], name) for name in bert.POOLINGS)
    assert torch.allclose(mean[1], outputs.last_hidden_state[1, :4].mean(dim=0), atol=1e-6)
    assert torch.equal(first, outputs.last_hidden_state[:, 0])
    assert torch.equal(pooler, outputs.pooler_output)


def test_the_guides_classifier_takes_the_guides_arguments(parts, folder):
    model = BERTClassifier(folder, num_classes=3)
    pieces = bert.tokenize_text(TEXTS, parts[0])
    assert model(pieces["input_ids"], pieces["attention_mask"]).shape == (4, 3)
    assert model(input_ids=pieces["input_ids"], attention_mask=pieces["attention_mask"]).shape == (4, 3)


def expected_to_move(name: str, trainable: str) -> bool:
    layers = "encoder.layer.1" in name or "encoder.layer.2" in name
    return name.startswith("classifier") or (
        {"head": False, "last layers": layers, "LoRA": "lora_" in name, "everything": True}[trainable]
        and "pooler" not in name
    )


@pytest.mark.parametrize("trainable", bert.TRAINABLE)
def test_a_step_moves_what_is_to_learn_and_nothing_else(parts, folder, trainable):
    torch.manual_seed(0)
    model = BERTClassifier(folder, trainable=trainable).train()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(moving, lr=0.5)
    pieces = bert.tokenize_text(TEXTS, parts[0])
    for _ in range(2):  # LoRA's B starts at zero, and A waits for it
        optimizer.zero_grad()
        logits = model(pieces["input_ids"], pieces["attention_mask"])
        nn.functional.cross_entropy(logits, torch.tensor([1, 0, 0, 1])).backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == expected_to_move(name, trainable), name
        if not parameter.requires_grad:
            assert torch.equal(parameter, before[name]), name
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert any("classifier" in name for name in moved)
    assert any("bert" in name for name in moved) == (trainable != "head")


def test_a_frozen_encoder_drops_nothing_in_training_mode(parts, folder):
    model = BERTClassifier(folder).train()
    assert model.training
    assert model.classifier.training
    assert not any(module.training for module in model.bert.modules())
    pieces = bert.tokenize_text(TEXTS, parts[0])
    both = [model.bert(pieces["input_ids"], pieces["attention_mask"]).last_hidden_state for _ in range(2)]
    assert torch.equal(*both)
    lively = BERTClassifier(folder, trainable="last layers").train()
    assert lively.bert.encoder.layer[2].training
    assert not lively.bert.encoder.layer[0].training
    assert not any(module.training for module in lively.eval().modules())


def test_an_adapter_changes_nothing_before_it_has_learned(parts, folder):
    pieces = bert.tokenize_text(TEXTS, parts[0])
    plain, adapted = (BERTClassifier(folder, trainable=way).eval() for way in ("head", "LoRA"))
    with torch.no_grad():
        states = [
            m.bert(pieces["input_ids"], pieces["attention_mask"]).last_hidden_state for m in (plain, adapted)
        ]
    assert torch.allclose(*states, atol=1e-6)


def test_what_was_trained_is_small_and_comes_back(folder, tmp_path):
    torch.manual_seed(1)
    model, other = (BERTClassifier(folder, trainable="LoRA") for _ in range(2))
    nn.init.normal_(model.bert.encoder.layer[0].attention.self.query.lora_B["default"].weight)
    checkpoints.save(Trained(model), "small", {"seed": 1}, folder=tmp_path)
    assert all("lora" in name or "classifier" in name for name in load_file(tmp_path / "small.safetensors"))
    checkpoints.load(Trained(other), "small", folder=tmp_path)
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())
    with pytest.raises(CheckpointError, match="'small' does not fit Trained"):
        checkpoints.load(Trained(BERTClassifier(folder)), "small", folder=tmp_path)


def test_the_form_of_berts_own_file_is_read_and_nothing_is_said(tmp_path, monkeypatch, capfd, caplog):
    torch.manual_seed(0)
    model = BertForPreTraining(small_config())
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor.clone()
        for name, tensor in model.state_dict().items()
    }
    save_file(old, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(tmp_path)
    monkeypatch.setattr(assets, "fetch", lambda name: {"bert": tmp_path}[name])
    with caplog.at_level(logging.DEBUG, logger="transformers"):
        encoder = bert.load_encoder("bert-base-uncased")
    assert not encoder.training
    state = model.bert.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.state_dict().items())
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_folder_of_ones_own_is_read_without_a_word(folder, capfd):
    bert.load_tokenizer(folder)
    assert not bert.load_encoder(folder).training
    BERTClassifier(folder, trainable="LoRA")
    assert capfd.readouterr() == ("", "")


def test_a_file_that_lacks_a_weight_is_refused(folder, tmp_path, monkeypatch):
    weights = load_file(f"{folder}/model.safetensors")
    del weights["pooler.dense.bias"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    small_config().save_pretrained(tmp_path)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path)
    with pytest.raises(RuntimeError, match=r"Missing key.*pooler\.dense\.bias"):
        bert.load_encoder("minilm")


@pytest.mark.parametrize("load", [bert.load_encoder, bert.load_tokenizer, BERTClassifier])
def test_a_network_that_is_not_here_is_answered_with_what_to_do(load):
    with pytest.raises(
        EncoderError, match=r"'bert-large' here: use one of minilm, bert.*HF_HUB_OFFLINE=0 before"
    ):
        load("bert-large")


@pytest.mark.parametrize("wrong", [{"pooling": "max"}, {"trainable": "half"}])
def test_an_unknown_choice_is_answered_with_those_there_are(folder, wrong):
    with pytest.raises(
        EncoderError, match="expected one of head, last layers, LoRA, everything and one of mean"
    ):
        BERTClassifier(folder, **wrong)


def small_texts() -> Texts:
    texts = ["good film", "bad film", "very good film.", "the very bad film"] * 8
    return Texts(texts, [1, 0, 1, 0] * 8, [str(row) for row in range(32)])


def test_a_training_repeats_itself_and_learns(parts, folder):
    def trained(seed: int) -> tuple[BERTClassifier, list[float]]:
        torch.manual_seed(seed)
        model = BERTClassifier(folder, trainable="everything")
        losses = transfer_texts.fine_tune(model, small_texts(), parts[0], rate=5e-3, epochs=15, seed=seed)
        return model, losses

    (model, losses), (_, again) = trained(0), trained(0)
    assert losses == again
    assert len(losses) == 30
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    found = transfer_texts.answers(model, small_texts(), parts[0])
    assert (found == np.array(small_texts().labels)).mean() > 0.9
    assert not model.training


def test_a_shipped_run_keeps_which_answers_were_right():
    truth = [0, 1, 1, 0, 1]
    run = transfer_texts.run_arm("x", lambda: lambda: np.array([0, 1, 0, 0, 1]), truth)
    assert run["accuracy"] == 0.8
    assert transfer_texts.rights_of(run, 5).tolist() == [1, 1, 0, 1, 1]


def test_the_rivals_answer_for_each_text():
    texts = small_texts()
    rows = np.random.default_rng(0).normal(size=(32, 6)) + np.array(texts.labels)[:, None]
    rows[:, 2] = 1e-32  # as three of MiniLM's
    assert (text_probes.linear_probe(rows, texts.labels, rows, C=1.0) == texts.labels).mean() > 0.8
    assert (text_probes.tfidf_probe(texts.texts, texts.labels, texts.texts) == texts.labels).all()
    assert text_probes.lstm_answers(texts, texts, texts, epochs=2, seed=0).shape == (32,)


def test_minilm_understands_what_means_the_same():
    if not assets.is_present("minilm"):
        pytest.skip("MiniLM is not here; run `course data`")
    tokenizer, encoder = bert.load_tokenizer("minilm"), bert.load_encoder("minilm")
    texts = ["The film was boring.", "I nearly fell asleep in the cinema.", "My bicycle has a flat tyre."]
    vectors = nn.functional.normalize(bert.embed(texts, tokenizer, encoder)["mean"], dim=1)
    near, far = (vectors[0] @ vectors[1]).item(), (vectors[0] @ vectors[2]).item()
    assert near > far + 0.2
