"""The colour pictures of a profile: emoji in `fast`, photographs (CIFAR-10) in `full`."""

from course_utils.data import emoji
from course_utils.data.cifar import load_cifar10
from course_utils.data.images import Images, Scale

ORIGINAL_SIDE = 72  # pixels of an emoji as it is stored


def load_images(name: str, *, seed: int, original: bool = False, scale: Scale | None = None) -> Images:
    """Read the pictures of a profile.

    Args:
        name: `"emoji"` (1,898 drawings, 9 groups) or `"cifar10"` (60,000 photographs, 10 classes).
        seed: Decides which pictures are for validation.
        original: Whether the emoji keep their 72 × 72 pixels; without, all pictures have 32 × 32.
        scale: Mean and standard deviation of the three channels that a pretrained network wants; without it, those
            of the training pictures.

    Raises:
        ValueError: If there is no such set.
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 02, "Project".
    """
    if name == "emoji":
        return emoji.load_emoji(seed=seed, side=ORIGINAL_SIDE if original else emoji.SIDE, scale=scale)
    if name == "cifar10":
        return load_cifar10(seed=seed, scale=scale)
    raise ValueError(f"unknown images {name!r}; use 'emoji' or 'cifar10'")
