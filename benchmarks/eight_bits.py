"""Eight-bit numbers in ONNX Runtime against eager PyTorch on the digit network, one thread, as ratios in one run.

Each way answers in blocks of calls, as it would in a process that does nothing else; the two take turns, and the best
block of each counts. Call by call in turn, each way finds what the other has left in the processor's caches: a single
digit in eight bits then takes a quarter longer, and that ratio is printed beside the other.
"""

import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from course_utils.data.digits import load_digits
from course_utils.recipes.chapter_02 import load_digit_network
from course_utils.recipes.digit_bundle import make_digit_bundle
from course_utils.serving import bundle
from course_utils.serving.predictor import Predictor
from course_utils.tools.execution.watch import hardware

LEAST_INT8, LEAST_AGREEMENT, BLOCKS = 4.0, 0.995, 20
CALLS = {1: 50, 32: 5}  # of a block, by size of the batch


def eight_bits(folder: Path) -> list[str]:
    """Compare static int8 in ONNX Runtime with eager PyTorch on the digit network, one thread."""
    model, _ = load_digit_network()
    session = Predictor(bundle.read_bundle(make_digit_bundle(folder / "int8", precision="int8")))
    images = load_digits("mnist_5k", seed=0).test.images
    with torch.inference_mode():
        eager = model(images).argmax(dim=1).numpy()
    agreement = float((session.probabilities(images.numpy()).argmax(axis=1) == eager).mean())
    print(
        f"\ndigit network: int8 in ONNX Runtime against eager PyTorch, agreement {agreement:.3f} of {len(eager)}"
    )
    broken = (
        [] if agreement >= LEAST_AGREEMENT else [f"agreement {agreement:.4f}, expected {LEAST_AGREEMENT}"]
    )
    for size, calls in CALLS.items():
        batch = images[:size]
        array = batch.numpy()
        ways = (partial(model, batch), partial(session.logits, array))
        with torch.inference_mode():
            eager_s, int8_s = best_of(ways, calls=calls)
            alternating = best_of(ways, calls=1, blocks=BLOCKS * calls)
        ratio = eager_s / int8_s
        print(f"batch {size:2d}: {1e3 * eager_s:.3f} ms against {1e3 * int8_s:.3f} ms, ratio {ratio:.1f}")
        print(f"          (call by call in turn: {alternating[0] / alternating[1]:.1f})")
        if ratio < LEAST_INT8:
            broken.append(f"int8 at batch {size}: {ratio:.2f} times eager, expected at least {LEAST_INT8}")
    return broken


def best_of(ways: tuple[Callable[[], object], ...], *, calls: int, blocks: int = BLOCKS) -> list[float]:
    """Return the seconds a call takes in the best block of each way; blocks take turns."""
    best = [float("inf")] * len(ways)
    for _ in range(blocks):
        for index, way in enumerate(ways):
            began = time.perf_counter()
            for _ in range(calls):
                way()
            best[index] = min(best[index], (time.perf_counter() - began) / calls)
    return best


def main() -> None:
    """Compare, then say what is below its bound."""
    torch.set_num_threads(1)
    print(f"{hardware()}, Python {platform.python_version()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        if broken := eight_bits(Path(scratch)):
            raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
