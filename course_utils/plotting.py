"""Pictures: one style, one way to show them, and always a text for those who cannot see them."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import seaborn as sns
from IPython.display import DisplayHandle, display
from matplotlib.figure import Figure

from course_utils.training import Epoch

DPI = 144
FRAME_DPI = 100  # of pictures that come by the dozen: a page of a chapter stays below three megabytes
PALETTE = sns.color_palette("colorblind")

sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
plt.rcParams.update(
    {
        "axes.titlesize": "medium",
        "axes.titlelocation": "left",
        "figure.constrained_layout.use": True,
        "figure.figsize": (7.5, 3.4),
        "image.cmap": "gray",
        "legend.frameon": False,
    }
)


def to_png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """Render a figure and close it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib's, for each sign that its font does not have: a learner's classes have names in any script.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from .*font", UserWarning)
        figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()


def bundle(figure: Figure, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Render a figure as (data, metadata) of a notebook output, with its text alternative.

    Args:
        figure: Any figure; it is closed.
        alt: What the picture shows and what one should see in it.

    Raises:
        ValueError: If the alt text is empty.
    """
    if not alt.strip():
        raise ValueError("got an empty alt text, expected a sentence: say what the picture shows")
    width = round(figure.get_size_inches()[0] * 100)
    data = {"image/png": to_png(figure), "text/plain": alt}
    return data, {"image/png": {"alt": alt, "width": width}}


def show(figure: Figure, alt: str, *, updatable: bool = False) -> DisplayHandle | None:
    """Show a figure with its text alternative.

    Args:
        figure: Any figure; it is closed.
        alt: What the picture shows and what one should see in it.
        updatable: Whether to return a handle through which the picture can be replaced.
    """
    data, metadata = bundle(figure, alt)
    return display(data, metadata=metadata, raw=True, display_id=updatable or None)  # type: ignore[no-any-return]


def learning_curves(history: Sequence[Epoch], title: str) -> Figure:
    """Draw loss and accuracy by epoch, for training and validation."""
    figure, axes = plt.subplots(1, 2)
    epochs = [row.epoch for row in history]
    for axis, quantity, unit in zip(
        axes, ("loss", "accuracy"), ("cross-entropy, nats", "fraction right"), strict=True
    ):
        for part, style in (("train", "--"), ("validation", "-")):
            values = [getattr(row, f"{part}_{quantity}") for row in history]
            axis.plot(epochs, values, style, marker="o", markersize=4, label=part)
        axis.set(xlabel="epoch", ylabel=f"{quantity} ({unit})")
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend()
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    return figure


def image_grid(
    images: npt.NDArray[Any],
    captions: Sequence[str],
    title: str = "",
    *,
    columns: int = 8,
    size: float = 0.95,
) -> Figure:
    """Draw small pictures in rows.

    Args:
        images: Shape (N, H, W) grey or (N, H, W, 3) colour.
        captions: One above each picture.
        title: The finding.
        columns: Pictures in a row.
        size: Width of a picture, inches.
    """
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * size * 1.3 + 0.3), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(image)
        axis.set_title(caption, fontsize="x-small", loc="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    return figure


def confusion(matrix: npt.NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix, true classes in rows; the diagonal is left pale so that the errors stand out.

    Args:
        matrix: Counts, shape (classes, classes).
        classes: Their names.
        title: The finding.
    """
    figure, axis = plt.subplots(figsize=(5.2, 4.4))
    errors = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    sns.heatmap(
        errors,
        annot=matrix,
        fmt="d",
        cmap="rocket_r",
        cbar_kws={"label": "errors"},
        ax=axis,
        xticklabels=classes,
        yticklabels=classes,
        annot_kws={"size": 8},
    )
    axis.set(xlabel="predicted class", ylabel="true class", title=title)
    return figure
