"""A verified bundle that answers: ONNX Runtime on the CPU, thread-safe, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from course_utils.serving.bundle import Bundle, BundleError
from course_utils.serving.preprocess import Floats


class Answer(NamedTuple):
    """What the network says to one picture: class number, its name, its probability, and those of all classes."""

    prediction: int
    label: str
    confidence: float
    probabilities: list[float]


class Predictor:
    """The network of a bundle, ready to answer; many threads may ask it at once.

    Args:
        bundle: As `bundle.read_bundle` returns it.
        threads: That one call may use inside ONNX Runtime; one, if many requests arrive at once.

    Raises:
        BundleError: If the graph cannot be run, or its inputs and outputs do not fit preprocessing and labels.

    See: chapter 06, "From script to service".
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        """Load the graph and answer one empty picture, so that what does not fit is found now."""
        import onnxruntime  # here, so that gunicorn's first process forks before its threads are there

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only; they are raised too
        self.bundle = bundle
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.graph.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            self._input = self._session.get_inputs()[0].name
            found = self.probabilities(np.zeros((2, *bundle.preprocessing.shape), dtype=np.float32))
        except Exception as error:  # ONNX Runtime raises several kinds without a common one
            raise BundleError(f"{bundle.graph} cannot be run: {str(error).splitlines()[0]}") from error
        if found.shape != (2, len(bundle.labels)):
            raise BundleError(
                f"{bundle.graph} gives {found.shape[1:]} numbers a picture, expected one for each of the "
                f"{len(bundle.labels)} labels"
            )

    def logits(self, batch: Floats) -> Floats:
        """Return the network's scores.

        Args:
            batch: float32, shape (N, C, H, W), preprocessed.

        Returns:
            float32, shape (N, classes).
        """
        [found] = self._session.run(None, {self._input: batch})
        return np.asarray(found, dtype=np.float32)

    def probabilities(self, batch: Floats) -> Floats:
        """Return the softmax of the scores, each row with the sum 1; takes and gives shapes as `logits` does."""
        scores = self.logits(batch)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        total: Floats = powers / powers.sum(axis=1, keepdims=True)
        return total

    def prepare(self, image: Image.Image) -> Floats:
        """Return a picture as the network reads it, shape (C, H, W); all that has to be kept of it."""
        return self.bundle.preprocessing.apply(image)

    def answers(self, prepared: Sequence[Floats]) -> list[Answer]:
        """Return an answer for each prepared picture, in one pass through the network."""
        labels = self.bundle.labels
        found = []
        for row in self.probabilities(np.stack(prepared)).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            found.append(Answer(best, labels[best], row[best], row))
        return found

    def classify(self, image: Image.Image) -> Answer:
        """Return the answer for one picture."""
        return self.answers([self.prepare(image)])[0]

    def about(self) -> dict[str, str]:
        """Return name and version, as each answer carries them."""
        return {"name": self.bundle.name, "version": self.bundle.version}
