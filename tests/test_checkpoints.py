"""Checkpoints: what is shipped loads, fits and reaches the numbers of its story."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.checkpoints import CheckpointError
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import load_digits
from course_utils.data.pictures import load_images
from course_utils.data.text import load_reviews
from course_utils.models.bert import BERTClassifier, Trained, load_tokenizer
from course_utils.models.cnn import PooledCNN, SmallCNN
from course_utils.models.mlp import SimpleNN
from course_utils.models.recurrent import CharLSTM, TimeSeriesLSTM
from course_utils.models.transfer import NORMALISATION, cached_features, create_backbone
from course_utils.recipes import __main__ as recipes
from course_utils.recipes import chapter_01, chapter_03, chapter_04, chapter_06, transfer_texts
from course_utils.training import evaluate


def measure_drawn_digit(name):
    """Return the story of the checkpoint and the metrics measured anew."""
    model = SimpleNN() if name.startswith("01") else SmallCNN()
    story = checkpoints.load(model, name)
    digits = load_digits("mnist_5k", seed=story["seed"])
    test = evaluate(model, TensorBatches(*digits.test, 1000), nn.CrossEntropyLoss())
    return story, {"test_accuracy": test.accuracy}


def measure_emoji(name):
    model = PooledCNN((24, 48, 96), 9)
    story = checkpoints.load(model, name)
    test = evaluate(model, TensorBatches(*load_images("emoji", seed=0).test, 500), nn.CrossEntropyLoss())
    return story, {"test_accuracy": test.accuracy}


@torch.inference_mode()
def measure_characters(name):
    _, test, characters = chapter_03.character_streams(load_reviews("film_reviews", seed=0))
    model = CharLSTM(len(characters))
    story = checkpoints.load(model, name)
    return story, {"test_bits_per_character": chapter_03.bits_per_character(model.eval(), test[:64_000])}


@torch.inference_mode()
def measure_guide_series(name):
    model = TimeSeriesLSTM()
    story = checkpoints.load(model, name)
    np.random.seed(story["seed"])
    pairs = chapter_03.create_sequences(chapter_03.create_time_series())
    X, y = (torch.FloatTensor(part[760:]).unsqueeze(-1) for part in pairs)
    return story, {"test_rmse": (model.eval()(X) - y).pow(2).mean().sqrt().item()}


def measure_texts(name):
    model = BERTClassifier("minilm", trainable="LoRA")
    story = checkpoints.load(Trained(model), name)
    test = transfer_texts.judged(load_reviews("film_reviews", seed=0))
    found = transfer_texts.answers(model, test, load_tokenizer("minilm"))
    return story, {"test_accuracy": float((found == np.array(test.labels)).mean())}


@torch.inference_mode()
def measure_photographs(name):
    """CIFAR-10's photographs are not here: what the probe says of the twenty that are is measured anew."""
    probe, model = nn.Linear(1280, 10), create_backbone("efficientnet_lite0")
    story = checkpoints.load(probe, name)
    return story, {"living_or_made": chapter_04.living_or_made(model, probe)}


@torch.inference_mode()
def measure_pictures(name):
    head, model = nn.Linear(1280, 9), create_backbone("efficientnet_lite0")
    story = checkpoints.load(head, name)
    scale = NORMALISATION["efficientnet_lite0"]
    test = load_images("emoji", seed=story["seed"], original=True, scale=scale).test
    logits = head(cached_features(model, test.images, chapter_04.SIDE))
    return story, {"test_accuracy": (logits.argmax(dim=1) == test.labels).float().mean().item()}


@torch.inference_mode()
def measure_text_lstm(name):
    reviews = load_reviews("film_reviews", seed=checkpoints.read_story(name)["seed"])
    model = chapter_06.UnpackedTextLSTM(chapter_06.VOCABULARY)
    story = checkpoints.load(model, name)
    subject = chapter_06.lstm_subject(reviews, model.eval())
    right = model(*subject.inputs).argmax(dim=1).numpy() == subject.labels
    return story, {"test_accuracy": float(right.mean())}


# A chapter that ships a checkpoint adds one line: its name, and a function that measures it anew.
MEASURES = {
    "01_drawn_digit": measure_drawn_digit,
    "02_drawn_digit": measure_drawn_digit,
    "02_emoji": measure_emoji,
    "02_guide": measure_drawn_digit,
    "03_characters": measure_characters,
    "03_guide_series": measure_guide_series,
    "04_texts": measure_texts,
    "04_photographs": measure_photographs,
    "04_pictures": measure_pictures,
    "06_text_lstm": measure_text_lstm,
}


def test_every_shipped_checkpoint_is_measured_here():
    assert {file.stem for file in CHECKPOINTS.glob("*.safetensors")} == set(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_a_shipped_checkpoint_reaches_the_numbers_of_its_story(name):
    story, measured = MEASURES[name](name)
    assert measured == pytest.approx(story["metrics"], abs=1e-3)


@pytest.mark.parametrize("name", MEASURES)
def test_a_shipped_checkpoint_is_small_and_tells_how_it_was_made(name):
    path = CHECKPOINTS / f"{name}.safetensors"
    assert path.stat().st_size <= checkpoints.LARGEST_BYTES
    assert all(weight.isfinite().all() for weight in load_file(path).values())
    story, _ = MEASURES[name](name)
    assert {"command", "seed", "data", "metrics", "versions"} <= set(story)
    assert story["command"] == f"course checkpoints {name[:2]}"
    assert name in importlib.import_module(f"course_utils.recipes.chapter_{name[:2]}").MAKERS


@pytest.fixture
def saved(tmp_path):
    model = network()
    checkpoints.save(model, "01_small", {"seed": 3, "metrics": {"loss": 0.5}}, folder=tmp_path / "new")
    return model, tmp_path / "new"


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_a_checkpoint_comes_back_as_it_was(saved):
    model, folder = saved
    other = network()
    story = checkpoints.load(other, "01_small", folder=folder)
    assert (story["seed"], story["metrics"]) == (3, {"loss": 0.5})
    assert story["versions"]["torch"] == torch.__version__
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())
    assert [file.name for file in folder.iterdir()] == ["01_small.safetensors"]


def test_saving_again_replaces(saved):
    _, folder = saved
    newer = network()
    checkpoints.save(newer, "01_small", {"seed": 4}, folder=folder)
    other = network()
    assert checkpoints.load(other, "01_small", folder=folder)["seed"] == 4
    assert torch.equal(other[0].weight, newer[0].weight)


def test_weights_that_are_a_view_are_stored(tmp_path):
    model = nn.Linear(3, 3)
    model.weight = nn.Parameter(torch.arange(9.0).reshape(3, 3).t())
    checkpoints.save(model, "view", {}, folder=tmp_path)
    other = nn.Linear(3, 3)
    checkpoints.load(other, "view", folder=tmp_path)
    assert torch.equal(other.weight, model.weight)


def test_a_missing_checkpoint_is_answered_with_those_there_are(saved, tmp_path):
    with pytest.raises(CheckpointError, match=r"'01_large'; there are: 01_small\. `course checkpoints`"):
        checkpoints.load(network(), "01_large", folder=saved[1])
    with pytest.raises(CheckpointError, match="there are: none"):
        checkpoints.load(network(), "01_large", folder=tmp_path / "nowhere")


@pytest.mark.parametrize("other", [nn.Linear(3, 4), nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))])
def test_another_architecture_is_refused(saved, other):
    with pytest.raises(CheckpointError, match=f"'01_small' does not fit {type(other).__name__}"):
        checkpoints.load(other, "01_small", folder=saved[1])


def test_a_damaged_file_is_refused(saved):
    path = saved[1] / "01_small.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="'01_small' is damaged"):
        checkpoints.load(network(), "01_small", folder=saved[1])


def test_what_is_too_large_to_ship_leaves_the_old_file_and_no_traces(saved):
    _, folder = saved
    before = (folder / "01_small.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="expected at most 2,000,000"):
        checkpoints.save(nn.Linear(1000, 600), "01_small", {}, folder=folder)
    assert [file.name for file in folder.iterdir()] == ["01_small.safetensors"]
    assert (folder / "01_small.safetensors").read_bytes() == before


def test_the_recipe_repeats_itself():
    digits = load_digits("mnist_5k", seed=0)
    few = type(digits)(
        *(type(part)(part.images[:200], part.labels[:200]) for part in (digits.train, digits.validation)),
        digits.test,
        mean=digits.mean,
        std=digits.std,
    )

    def trained(seed):
        model, history = chapter_01.train_drawn_digit(few, epochs=2, seed=seed, device=torch.device("cpu"))
        return model.fc1.weight, history

    (first, history), (again, _), (other, _) = trained(0), trained(0), trained(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert [row.epoch for row in history] == [1, 2]


def test_the_recipe_ships_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(chapter_01.runtime, "setup", lambda config: runtime.choose_device("cpu"))
    chapter_01.make_drawn_digit(epochs=0, seed=3, folder=tmp_path)
    model, digits = SimpleNN(), load_digits("mnist_5k", seed=3)
    story = checkpoints.load(model, "01_drawn_digit", folder=tmp_path)
    found = evaluate(model, TensorBatches(*digits.test, 64), nn.CrossEntropyLoss())
    assert story["metrics"]["test_accuracy"] == pytest.approx(found.accuracy)
    assert (story["seed"], story["epochs"]) == (3, 0)


def test_recipes_are_of_chapters_and_an_unknown_one_is_refused(monkeypatch, tmp_path):
    assert set(recipes.CHAPTERS) <= set(settings.chapters())
    made = []

    def maker(name):
        return lambda **given: made.append((name, given))

    for chapter in recipes.CHAPTERS:
        module = importlib.import_module(f"course_utils.recipes.chapter_{chapter}")
        monkeypatch.setattr(module, "MAKERS", {f"{chapter}_x": maker(chapter)})
    with pytest.raises(SystemExit, match=r"no checkpoints for 99; there are some for 01, 02"):
        recipes.main(["01", "99"])
    assert made == []
    recipes.main(["02"])
    assert made == [("02", {"seed": 0, "folder": CHECKPOINTS})]
    made.clear()
    (tmp_path / "01_x.safetensors").touch()  # what is there of another seed is not made twice
    recipes.main(["--seed", "3", "--folder", str(tmp_path)])
    assert made == [
        (chapter, {"seed": 3, "folder": tmp_path}) for chapter in recipes.CHAPTERS if chapter != "01"
    ]
    made.clear()
    recipes.main(["--folder", str(tmp_path), "--files", "02_x"])
    assert made == [("02", {"seed": 0, "folder": tmp_path})]
