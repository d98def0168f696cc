"""The guide's training with a rate for each depth: best weights kept, resumable, on one process or on many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from course_utils import saved_run, training
from course_utils.models import transfer
from course_utils.training import Batches, Epoch, Metrics

if TYPE_CHECKING:
    from accelerate import Accelerator

LOSS = nn.CrossEntropyLoss()
OURS = ({"fc", "layer4"}, {"classifier", "conv_head", "blocks"})  # parts of the two networks of `transfer`


def train_transfer_model(
    model: nn.Module,
    train_loader: Batches,
    val_loader: Batches,
    epochs: int = 10,
    *,
    rates: Sequence[float] = (1e-3, 1e-4, 1e-5),
    step_size: int = 5,
    folder: str | Path | None = None,
    accelerator: Accelerator | None = None,
) -> list[Epoch]:
    """Train with a rate for each depth, print a line an epoch, and leave the weights of the best epoch in the network.

    Args:
        model: Changed in place. A network of `transfer` gets its head at the first rate and stage after stage below
            at the next; any other network has the first rate for all. What is frozen is in no group.
        train_loader: Training batches.
        val_loader: Validation batches, which choose the epoch; never those of the test set.
        epochs: Passes over the training batches, those of an interrupted run included.
        rates: Learning rates of Adam, the head's first; stages beyond their number share the last.
        step_size: After so many epochs all rates fall to a tenth.
        folder: Where the run is kept. If one is there, it goes on after its last whole epoch, and ends as it would
            have ended; the best weights are in `best_model.safetensors`. Without a folder nothing is written.
        accelerator: Of Hugging Face's Accelerate: the same training on several processes or devices. Losses and
            accuracies are of all processes together, and only the main one prints and writes.

    Returns:
        What each epoch measured. Of equally accurate epochs the earlier is the best.

    Raises:
        ValueError: If every parameter is frozen, or there is no batch.
        TypeError: If Accelerate is to share out something that is not a `DataLoader`.
        SavedRunError: If the folder holds another training.

    See: chapter 04, "The guide's training function".
    """
    optimizer = torch.optim.Adam(optimizer_groups(model, rates))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size, gamma=0.1)
    run = Run(model, optimizer, scheduler, (train_loader, val_loader), folder, accelerator)
    for epoch in run.epochs_left(epochs):
        started = time.perf_counter()
        trained = run.of_all(training.train_one_epoch, run.stepped, run.train, run.optimizer)
        validated = run.of_all(training.evaluate, model, run.validation)
        scheduler.step()
        run.keep(training.Epoch(epoch, *trained, *validated, time.perf_counter() - started))
    run.restore_best()
    return run.history


def optimizer_groups(model: nn.Module, rates: Sequence[float]) -> list[dict[str, Any]]:
    """Return an optimiser's groups: by depth for a network of `transfer`, one for any other.

    Raises:
        ValueError: If there is no rate, or nothing that could learn.
    """
    parts = {name for name, _ in model.named_children()}
    if not rates:
        raise ValueError("got no learning rate, expected at least one, the head's first")
    if any(ours <= parts for ours in OURS):
        groups = transfer.parameter_groups(model, rates)
    else:
        moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [{"params": moving, "lr": rates[0]}] if moving else []
    if not groups:
        raise ValueError(
            "every parameter of the network is frozen, so nothing could learn: set requires_grad of its head"
        )
    return groups


class Run:
    """A training as it goes: what is stepped, what was measured, which epoch was the best.

    Args:
        model: The bare network.
        optimizer: Over its parameters.
        scheduler: Of that optimiser.
        loaders: Of training and of validation.
        folder: Where the run is kept, if anywhere.
        accelerator: If given, prepares network, optimiser and loaders.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        loaders: tuple[Batches, Batches],
        folder: str | Path | None,
        accelerator: Accelerator | None,
    ) -> None:
        """Prepare, and go on with what is in the folder."""
        self.model, self.stepped, self.optimizer, self.scheduler = model, model, optimizer, scheduler
        (self.train, self.validation), self.accelerator = loaders, accelerator
        self.folder = None if folder is None else Path(folder)
        self.history: list[Epoch] = []
        self.best: tuple[int, saved_run.Weights] | None = None
        self.settings = _settings(model, optimizer, scheduler, self.train, self._processes)
        if accelerator is not None:
            self._prepare(accelerator)
        if self.folder is not None:
            self._go_on(self.folder)

    @property
    def _processes(self) -> int:
        return 1 if self.accelerator is None else int(self.accelerator.num_processes)

    def epochs_left(self, epochs: int) -> Iterator[int]:
        """Yield the numbers of the epochs that are still to come."""
        yield from range(len(self.history) + 1, epochs + 1)

    def of_all(
        self,
        measure: Callable[..., Metrics],
        network: nn.Module,
        loader: Batches,
        *more: torch.optim.Optimizer,
    ) -> Metrics:
        """Call `measure(network, batches, loss, ...)`; return the means over the examples of all processes."""
        if self._processes == 1:
            return measure(network, loader, LOSS, *more)
        counted = _Counted(loader)
        try:
            found = measure(network, counted, LOSS, *more)
        except ValueError:
            if counted.examples:
                raise
            found = Metrics(0.0, 0.0)  # fewer batches than processes: this one has none
        own = [found.loss * counted.examples, found.accuracy * counted.examples, counted.examples]
        sums = torch.tensor(own, dtype=torch.float64, device=next(self.model.parameters()).device)
        torch.distributed.all_reduce(sums)
        for buffer in self.model.buffers():  # running statistics: the main process decides
            torch.distributed.broadcast(buffer, 0)
        loss_sum, correct, count = sums.tolist()
        return Metrics(loss_sum / count, correct / count)

    def keep(self, row: Epoch) -> None:
        """Note an epoch, print its line, remember it if it is the best, store the state."""
        self.history.append(row)
        self._say(
            f"Epoch {row.epoch}: Loss: {row.train_loss:.4f}, Accuracy: {100 * row.validation_accuracy:.2f}%"
        )
        if self.best is None or row.validation_accuracy > self._best_accuracy():
            copy = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            self.best = row.epoch, copy
        if self.folder is not None:
            state = self._state()  # every process has its part in it
            if self._main:
                saved_run.write_state(self.folder, row.epoch, self.model.state_dict(), self.best, state)

    def restore_best(self) -> None:
        """Put the best epoch's weights into the network, and into a file of their own."""
        if self.best is None:
            return
        epoch, weights = self.best
        self.model.load_state_dict(weights)
        self._say(f"Best Accuracy: {100 * self._best_accuracy():.2f}% (epoch {epoch}, now in the network)")
        if self.folder is not None and self._main:
            story = {"epoch": str(epoch), "validation_accuracy": f"{self._best_accuracy():.6f}"}
            saved_run.save_weights(weights, self.folder / saved_run.BEST, story)
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    @property
    def _main(self) -> bool:
        return self.accelerator is None or bool(self.accelerator.is_main_process)

    def _say(self, line: str) -> None:
        if self._main:
            print(line)

    def _best_accuracy(self) -> float:
        return self.history[self.best[0] - 1].validation_accuracy if self.best else 0.0

    def _prepare(self, accelerator: Accelerator) -> None:
        for loader in (self.train, self.validation):
            if not isinstance(loader, DataLoader):
                raise TypeError(
                    f"got a {type(loader).__name__}, expected a DataLoader: Accelerate shares out nothing else"
                )
        prepared = accelerator.prepare(self.model, self.optimizer, self.train)
        self.stepped, self.optimizer, self.train = prepared
        as_it_was, accelerator.even_batches = accelerator.even_batches, False  # no example is measured twice
        self.validation = accelerator.prepare_data_loader(self.validation)
        accelerator.even_batches = as_it_was

    def _state(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "history": [vars(row) for row in self.history],
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": {name: self._gathered(value) for name, value in saved_run.random_state().items()},
            "generators": [g.get_state() for g in saved_run.generators((self.train, self.validation))],
        }

    def _gathered(self, value: torch.Tensor) -> torch.Tensor:
        """Return a value of each process, shape (processes, ...)."""
        if self.accelerator is None or self._processes == 1:
            return value[None]
        gathered: torch.Tensor = self.accelerator.gather(value[None].to(self.accelerator.device))
        return gathered.cpu()

    def _go_on(self, folder: Path) -> None:
        state = saved_run.read(folder, self.settings)
        if state is None:
            return
        self.history = [Epoch(**row) for row in state["history"]]
        self.best = state["best_epoch"], state["best"]
        self.model.load_state_dict(state["last"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        place = 0 if self.accelerator is None else self.accelerator.process_index
        saved_run.set_random_state({name: value[place] for name, value in state["random"].items()})
        shuffling = saved_run.generators((self.train, self.validation))
        for generator, value in zip(shuffling, state["generators"], strict=True):
            generator.set_state(value)
        self._say(f"{folder}: going on after epoch {len(self.history)}")


class _Counted:
    """Batches that count their examples as they pass."""

    def __init__(self, batches: Batches) -> None:
        self.batches, self.examples = batches, 0

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for inputs, targets in self.batches:
            self.examples += len(targets)
            yield inputs, targets


def _settings(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,  # noqa: ANN401 - StepLR's own field is asked for
    train: Batches,
    processes: int,
) -> dict[str, Any]:
    """Return what must be the same for a stored run to go on, in plain words."""
    return {
        "weights": [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()],
        "trained": [name for name, value in model.named_parameters() if value.requires_grad],
        "rates": [group["initial_lr"] for group in optimizer.param_groups],
        "step_size": scheduler.step_size,
        "training batches": len(train) if isinstance(train, Sized) else None,
        "processes": processes,
    }
