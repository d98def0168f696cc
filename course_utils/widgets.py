"""Interactive figures: a pure drawing function, controls, and a plain figure for those without a kernel."""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from course_utils import plotting

FRAMES_MIME = "application/vnd.course.frames+json"
Draw = Callable[..., tuple[Figure, str]]


def interactive(draw: Draw, *, frames: str | None = None, **controls: ipywidgets.ValueWidget) -> None:
    """Show a figure that follows its controls.

    The figure in its default state is an ordinary output, so a page without a kernel shows it too; moving a
    control replaces it.

    Args:
        draw: Takes the values of the controls by name; returns a figure and its alt text; changes nothing.
        frames: A control (a slider or a choice) whose every value is also drawn in advance, so that a handout has
            a slider that works without a kernel.
        **controls: ipywidgets by the name of the argument they feed, e.g. `gain=ipywidgets.FloatSlider(...)`.
    """
    values = {name: control.value for name, control in controls.items()}
    data, metadata = plotting.bundle(*draw(**values))
    if frames is not None:
        if frames not in controls:
            raise ValueError(f"got frames={frames!r}, expected the name of a control: {', '.join(controls)}")
        data[FRAMES_MIME] = _frames(draw, values, frames, controls[frames])
    handle = display(data, metadata=metadata, raw=True, display_id=True)

    def redraw(_: object) -> None:
        new_data, new_metadata = plotting.bundle(*draw(**{n: c.value for n, c in controls.items()}))
        handle.update(new_data, metadata=new_metadata, raw=True)

    for control in controls.values():
        control.observe(redraw, names="value")
    display(ipywidgets.VBox(list(controls.values())))


def _frames(draw: Draw, values: dict[str, Any], name: str, control: ipywidgets.ValueWidget) -> dict[str, Any]:
    """Draw every value of one control, the others as they are."""
    pictures, alts = [], []
    for _, value in _choices(control):
        figure, alt = draw(**{**values, name: value})
        pictures.append(base64.b64encode(plotting.to_png(figure, dpi=plotting.FRAME_DPI)).decode("ascii"))
        alts.append(alt)
    labels = [label for label, _ in _choices(control)]
    start = [value for _, value in _choices(control)].index(control.value)
    return {
        "control": control.description,
        "labels": labels,
        "images": pictures,
        "alts": alts,
        "start": start,
    }


def _choices(control: ipywidgets.ValueWidget) -> list[tuple[str, Any]]:
    """Return (label, value) of every value of a choice."""
    options = getattr(control, "options", None)
    if options is None:
        raise ValueError(
            f"frames need a control with a list of options, got {type(control).__name__}: "
            "use a SelectionSlider or a Dropdown"
        )
    if isinstance(options, Mapping):
        return list(options.items())
    return [option if isinstance(option, tuple) else (str(option), option) for option in options]


class PredictionError(ValueError):
    """Options that leave an outcome out, or an outcome that is none of the options."""


class Prediction:
    """A guess that the learner makes before a measurement, and that the measurement then answers.

    Args:
        question: What will be measured.
        options: Ranges of a number, each with its upper end, ascending, the last infinite:
            `{"below half": 0.5, "half or more": math.inf}`; or names, of which the measurement picks one.

    Raises:
        PredictionError: If the options leave an outcome out.
    """

    def __init__(self, question: str, options: Mapping[str, float] | Sequence[str]) -> None:
        """Show the question with its options, none chosen."""
        names = list(options)
        ends = list(options.values()) if isinstance(options, Mapping) else []
        if len(set(names)) < 2 or (ends and (sorted(set(ends)) != ends or ends[-1] != math.inf)):
            raise PredictionError(
                f"expected at least two options, ranges with ascending upper ends up to math.inf; got {options!r}"
            )
        self.names, self.ends = names, ends
        self.choice = ipywidgets.ToggleButtons(
            options=names, value=None, style=ipywidgets.ToggleButtonsStyle(button_width="initial")
        )
        print(f"Predict first: {question}\n" + "\n".join(f"  • {name}" for name in names))
        display(self.choice)

    def answer(self, measured: float | Mapping[str, float] | tuple[float, float]) -> None:
        """Compare the guess with what was measured.

        Args:
            measured: A number, for ranges. For names: a score for each, the highest wins; or, for three names,
                the interval of a difference: below zero, includes zero, above zero.

        Raises:
            PredictionError: If what was measured fits none of the options.
        """
        found, guess = self.option(measured), self.choice.value
        if guess is None:
            print(f"Measured: {found}. (You made no guess.)")
        elif guess == found:
            print(f"Measured: {found}. You guessed it.")
        else:
            print(f"Measured: {found}. You guessed: {guess}. What did you assume that is not so?")

    def option(self, measured: float | Mapping[str, float] | tuple[float, float]) -> str:
        """Return the option that a measurement means."""
        values = measured.values() if isinstance(measured, Mapping) else np.atleast_1d(measured)
        if any(math.isnan(value) for value in values):
            raise PredictionError(f"expected numbers, got {measured!r}")
        if isinstance(measured, Mapping):
            if set(measured) != set(self.names) or self.ends:
                raise PredictionError(f"expected a score for each of {self.names}, got {measured!r}")
            return max(self.names, key=lambda name: measured[name])
        if isinstance(measured, tuple):
            if len(measured) != 2 or len(self.names) != 3 or self.ends or measured[0] > measured[1]:
                raise PredictionError(
                    f"expected the ends of an interval, in order, and three names; got {measured!r} for {self.names}"
                )
            return self.names[0 if measured[1] < 0 else 2 if measured[0] > 0 else 1]
        if not self.ends:
            raise PredictionError(
                f"expected scores or an interval for the names {self.names}, got {measured!r}"
            )
        return next(
            name for name, end in zip(self.names, self.ends, strict=True) if measured < end or end == math.inf
        )


def predict(question: str, options: Mapping[str, float] | Sequence[str]) -> Prediction:
    """Ask the learner to commit to a guess; `answer` on the result compares it with the measurement."""
    return Prediction(question, options)
