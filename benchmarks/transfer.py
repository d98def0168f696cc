"""Frozen networks, two savings as ratios: texts padded to their batch, and features computed once.

Both arms of a pair do the same work on the same examples, alternating in one process, one thread; the ratio of the
best runs is asserted, since it depends on the machine far less than seconds do.
"""

import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from course_utils.data.pictures import load_images
from course_utils.data.text import load_reviews
from course_utils.models import bert, transfer
from course_utils.tools.execution.watch import hardware

REVIEWS, PICTURES, EPOCHS, PAIRS = 64, 64, 5, 3
LEAST_PADDING, LEAST_CACHING = 2.0, 3.0
Arm = Callable[[], torch.Tensor]


@torch.no_grad()
def embed_fixed(texts: list[str], tokenizer: object, encoder: nn.Module) -> torch.Tensor:
    """Pad every text to the guide's 128 pieces."""
    found = []
    for start in range(0, len(texts), 32):
        batch = tokenizer(  # type: ignore[operator]
            texts[start : start + 32],
            padding="max_length",
            max_length=128,
            truncation=True,
            return_tensors="pt",
        )
        outputs = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        found.append(bert.pool(outputs, batch["attention_mask"]))
    return torch.cat(found)


def embed_dynamic(texts: list[str], tokenizer: object, encoder: nn.Module) -> torch.Tensor:
    """Pad to the longest of a batch of similar length."""
    return bert.embed(texts, tokenizer, encoder, max_length=128)["mean"]  # type: ignore[arg-type]


def train_head(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, cached: bool
) -> torch.Tensor:
    """Train a new head for some epochs, on features computed once or in every epoch; return its weight."""
    torch.manual_seed(0)
    head = nn.Linear(transfer.head(model).in_features, 9)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    known = transfer.cached_features(model, images, 96) if cached else None
    for _ in range(EPOCHS):
        rows = transfer.cached_features(model, images, 96) if known is None else known
        loss = nn.functional.cross_entropy(head(rows), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head.weight.detach()


def compare(title: str, arms: dict[str, Arm], least: float) -> None:
    """Run the pairs, check that both arms give the same, print the table, assert the ratio."""
    results = [arm() for arm in arms.values()]  # warm up
    if not torch.allclose(*results, atol=1e-4):
        raise SystemExit(f"{title}: the two ways do not give the same")
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(PAIRS):
        for name, arm in arms.items():
            started = time.perf_counter()
            arm()
            seconds[name].append(time.perf_counter() - started)
    print(f"\n{title}, {PAIRS} pairs of runs, one thread")
    for name, runs in seconds.items():
        mean, spread = statistics.mean(runs), statistics.stdev(runs)
        print(f"{name:34s} {min(runs):.2f} s at best, {mean:.2f} ± {spread:.2f} s")
    slow, fast = (min(runs) for runs in seconds.values())
    print(f"ratio {slow / fast:.1f} (best against best: what else the machine does only ever adds time)")
    if slow / fast < least:
        raise SystemExit(f"the ratio is {slow / fast:.1f}, expected at least {least}")


def main() -> None:
    """Compare both pairs."""
    torch.set_num_threads(1)
    print(f"{hardware()}, Python {platform.python_version()}, torch {torch.__version__}")
    texts = load_reviews("film_reviews", seed=0).test.texts[:REVIEWS]
    tools = (texts, bert.load_tokenizer("minilm"), bert.load_encoder("minilm"))
    arms = {
        "padded to 128 pieces": partial(embed_fixed, *tools),
        "padded to a batch of similar length": partial(embed_dynamic, *tools),
    }
    compare(f"{REVIEWS} film reviews through MiniLM", arms, LEAST_PADDING)
    emoji = load_images(
        "emoji", seed=0, original=True, scale=transfer.NORMALISATION["efficientnet_lite0"]
    ).train
    frozen = transfer.create_transfer_model(9, backbone="efficientnet_lite0")
    pictures = emoji.images[:PICTURES], emoji.labels[:PICTURES]
    arms = {
        "features in every epoch": partial(train_head, frozen, *pictures, cached=False),
        "features once": partial(train_head, frozen, *pictures, cached=True),
    }
    compare(f"a head on {PICTURES} emoji, {EPOCHS} epochs", arms, LEAST_CACHING)


if __name__ == "__main__":
    main()
