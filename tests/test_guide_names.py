"""What the written guide defines is in its chapter, under its name, and takes the guide's arguments."""

from __future__ import annotations

import ast

import lessons
import pytest

from course_utils import ROOT

GUIDE = {
    "01": """
class SimpleNN: def __init__(self): ...
def train_model(model, train_loader, criterion, optimizer, epochs=5): ...
def test_model(model, test_loader): ...
""",
    "02": """
class CNN: def __init__(self, num_classes=10): ...
class CIFAR10_CNN: def __init__(self): ...
def train_with_scheduler(model, train_loader, criterion, optimizer, scheduler, epochs=20): ...
""",
    "03": """
def preprocess_text(text): ...
def build_vocab(texts, min_freq=2): ...
def text_to_sequence(text, vocab, max_length=100): ...
class TextDataset: def __init__(self, texts, labels, vocab, max_length=100): ...
class TextLSTM: def __init__(self, vocab_size, embedding_dim=100, hidden_dim=128, num_layers=2, num_classes=2): ...
def train_text_model(model, dataloader, criterion, optimizer, epochs=10): ...
def create_time_series(n_samples=1000): ...
def create_sequences(data, seq_length=50): ...
class TimeSeriesLSTM: def __init__(self, input_size=1, hidden_size=50, num_layers=2): ...
""",
    "04": """
def create_transfer_model(num_classes=10): ...
def create_finetuned_model(num_classes=10): ...
class CustomImageDataset: def __init__(self, image_paths, labels, transform=None): ...
def train_transfer_model(model, train_loader, val_loader, epochs=10): ...
class BERTClassifier: def __init__(self, model_name='bert-base-uncased', num_classes=2): ...
def tokenize_text(texts, tokenizer, max_length=128): ...
""",
    "06": """
def quantize_model(model): ...
def export_to_onnx(model, dummy_input, filename): ...
""",
}
"""The signatures of the guide, by chapter: `class` and `__init__` on one line."""

ALSO_NAMED = {
    "01": ("torchaudio", "DataLoader", "CrossEntropyLoss", "Adam", "Normalize"),
    "02": ("Conv2d", "MaxPool2d", "AdaptiveAvgPool2d", "StepLR", "get_last_lr", "RandomRotation"),
    "03": ("train_test_split", "pack", "MSELoss"),
    "04": (
        "pretrained=True",
        "requires_grad",
        "transform_train",
        "transform_test",
        "Normalize",
        "StepLR",
        "best_model.pth",
        "AutoTokenizer",
        "AutoModel",
        "pooler_output",
        "Faster training",
    ),
    "06": (
        "quantize_dynamic",
        "opset_version=11",
        "export_params",
        "do_constant_folding",
        "input_names",
        "`POST /predict`",
        "field `image`",
        "`prediction`",
        "`confidence`",
        "400 with `error`",
        "torch.load('model.pth'",
        "Resize((224, 224))",
        "convert('RGB')",
        "app.run(debug=True)",
        "faster inference",
    ),
}
"""Other things of its code whose place the chapter's closing table gives."""

TABLE = "The guide's code, and where it is now"


def signature(line: str) -> tuple[str, ast.arguments]:
    """Return name and arguments of a line of the table above."""
    name = line.split()[1].partition("(")[0].rstrip(":")
    [function] = ast.parse(line[line.index("def ") :]).body
    assert isinstance(function, ast.FunctionDef)
    return name, function.args


SIGNATURES = [(chapter, line) for chapter, text in GUIDE.items() for line in text.strip().splitlines()]


def lesson_of(chapter: str) -> lessons.Lesson:
    return lessons.read(next((ROOT / "notebooks").glob(f"{chapter}_*.ipynb")))


def definitions(chapter: str) -> dict[str, ast.arguments]:
    """Return the arguments of all functions and classes that a lesson defines, or calls as `module.function`."""
    found = called_of_the_package(chapter)
    for cell in lesson_of(chapter).code():
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = node.args
            elif isinstance(node, ast.ClassDef):
                inits = [n.args for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
                found[node.name] = inits[0] if inits else ast.parse("def __init__(self): ...").body[0].args  # type: ignore[attr-defined]
    return found


def called_of_the_package(chapter: str) -> dict[str, ast.arguments]:
    """Return the arguments of functions that a lesson calls by the name of their module, such as `export.run_graph`."""
    calls = [
        node
        for cell in lesson_of(chapter).code()
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.Call)
    ]
    places = {
        (call.func.value.id, call.func.attr)
        for call in calls
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    }
    found = {}
    for module in {name for name, _ in places}:
        file = ROOT / "course_utils" / f"{module}.py"
        body = ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else []
        functions = [node for node in body if isinstance(node, ast.FunctionDef)]
        found |= {node.name: node.args for node in functions if (module, node.name) in places}
    return found


def arguments(args: ast.arguments) -> list[tuple[str, str]]:
    """Return the positional arguments with their defaults as text."""
    names = [arg.arg for arg in (*args.posonlyargs, *args.args) if arg.arg != "self"]
    defaults = [""] * (len(names) - len(args.defaults)) + [ast.unparse(value) for value in args.defaults]
    return list(zip(names, defaults, strict=True))


@pytest.mark.parametrize(("chapter", "line"), SIGNATURES, ids=lambda value: value[:40])
def test_the_guides_own_calls_go_on_working(chapter: str, line: str) -> None:
    name, expected = signature(line)
    found = definitions(chapter)
    assert name in found, f"chapter {chapter} neither shows nor calls {name}, which the guide defines"
    ours, theirs = arguments(found[name]), arguments(expected)
    assert ours[: len(theirs)] == theirs
    assert all(default for _, default in ours[len(theirs) :]), f"{name}: what is new needs defaults"
    assert all(found[name].kw_defaults), f"{name}: what is new needs defaults"


@pytest.mark.parametrize("chapter", GUIDE)
def test_the_closing_table_gives_the_place_of_each_name(chapter: str) -> None:
    [table] = [
        cell.source for cell in lesson_of(chapter).cells if TABLE in cell.source and "|" in cell.source
    ]
    rows = table.partition(TABLE)[2]
    names = [signature(line)[0] for line in GUIDE[chapter].strip().splitlines()]
    missing = [name for name in (*names, *ALSO_NAMED[chapter]) if name not in rows]
    assert not missing
