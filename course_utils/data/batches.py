"""Batches from tensors that are held in memory, on the device that computes."""

import math
from collections.abc import Callable, Iterator

import torch


class TensorBatches:
    """Cuts tensors into batches, without per-example Python: the fast half of an input pipeline.

    A `DataLoader` fetches, transforms and stacks examples one by one. Where all data fit into memory, one
    index operation a batch does the same.

    Args:
        inputs: Shape (N, ...).
        targets: Shape (N, ...).
        batch_size: Examples per batch; the last batch holds what is left.
        generator: Shuffles anew in every pass; without one the order stays.
        augment: Changes a batch of inputs, on their device, e.g. by small shifts.

    Raises:
        ValueError: If the lengths differ or the batch size is below 1.

    See: chapter 01, "The data".
    """

    def __init__(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        """Keep the tensors; nothing is copied."""
        if len(inputs) != len(targets) or batch_size < 1:
            raise ValueError(
                f"got {len(inputs)} inputs, {len(targets)} targets and batch_size {batch_size}; "
                "expected as many inputs as targets and a batch_size of at least 1"
            )
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.generator, self.augment = batch_size, generator, augment

    def __len__(self) -> int:
        """Return the number of batches of a pass."""
        return math.ceil(len(self.inputs) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (inputs, targets) batch by batch."""
        order = torch.arange(len(self.inputs))
        if self.generator is not None:
            order = torch.randperm(len(self.inputs), generator=self.generator, device=self.generator.device)
        order = order.to(self.inputs.device)
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            inputs = self.inputs[chosen]
            yield (self.augment(inputs) if self.augment else inputs), self.targets[chosen]
