"""Eight-bit numbers in ONNX Runtime against eager PyTorch on the digit network, one thread, as ratios in one run.

Not part of `make bench`: the bound for single digits is what was asked for, and is not reached yet (3.7 to 4.0 on a
calm machine; the first convolution, of one channel, takes as long in eight bits as the second, of much more work).
"""

import platform
import tempfile
import time
from pathlib import Path

import torch

from course_utils.data.digits import load_digits
from course_utils.recipes.chapter_02 import load_digit_network
from course_utils.recipes.digit_bundle import make_digit_bundle
from course_utils.serving import bundle
from course_utils.serving.predictor import Predictor
from course_utils.tools.execution.watch import hardware

LEAST_INT8, LEAST_AGREEMENT, BATCHES, ROUNDS = 4.0, 0.995, (1, 32), 200


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
    for size in BATCHES:
        batch = images[:size]
        array, best = batch.numpy(), [float("inf"), float("inf")]
        for _ in range(ROUNDS):
            started = time.perf_counter()
            with torch.inference_mode():
                model(batch)
            between = time.perf_counter()
            session.logits(array)
            best = [min(best[0], between - started), min(best[1], time.perf_counter() - between)]
        ratio = best[0] / best[1]
        print(
            f"batch {size:2d}: {1e3 * best[0]:.3f} ms against {1e3 * best[1]:.3f} ms at best, ratio {ratio:.1f}"
        )
        if ratio < LEAST_INT8:
            broken.append(f"int8 at batch {size}: {ratio:.2f} times eager, expected at least {LEAST_INT8}")
    return broken


def main() -> None:
    """Compare, then say what is below its bound."""
    torch.set_num_threads(1)
    print(f"{hardware()}, Python {platform.python_version()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        if broken := eight_bits(Path(scratch)):
            raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
