"""Interactive figures: a pure drawing function, controls, and a plain figure for those without a kernel."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
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


class Prediction:
    """A guess that the learner makes before a measurement, and that the measurement then answers."""

    def __init__(self, question: str, options: list[str]) -> None:
        """Show the question with its options, none chosen."""
        self.choice = ipywidgets.ToggleButtons(
            options=options, value=None, style=ipywidgets.ToggleButtonsStyle(button_width="initial")
        )
        print(f"Predict first: {question}\n" + "\n".join(f"  • {option}" for option in options))
        display(self.choice)

    def answer(self, measured: str) -> None:
        """Compare the guess with what was measured."""
        guess = self.choice.value
        if guess is None:
            print(f"Measured: {measured}. (You made no guess.)")
        elif guess == measured:
            print(f"Measured: {measured}. You guessed it.")
        else:
            print(f"Measured: {measured}. You guessed: {guess}. What did you assume that is not so?")


def predict(question: str, options: list[str]) -> Prediction:
    """Ask the learner to commit to a guess; `answer` on the result compares it with the measurement."""
    return Prediction(question, options)
