"""Augmentation of whole batches on their own device."""

import math

import torch
from torch.nn import functional as F


def shift_and_rotate(
    images: torch.Tensor,
    *,
    generator: torch.Generator,
    degrees: float = 15.0,
    pixels: float = 2.0,
    scale: float = 0.0,
    fill: float | torch.Tensor = 0.0,
) -> torch.Tensor:
    """Move and turn every image of a batch by its own small random amount.

    Args:
        images: Shape (N, C, H, W), floating point.
        generator: Decides the amounts; best on the device of the images.
        degrees: Largest rotation to either side.
        pixels: Largest shift along each axis.
        scale: Largest relative change of size, e.g. 0.1 for 10 % to either side.
        fill: The value of the background, which comes in at the border; shape (C, 1, 1) if channels differ.

    Returns:
        Images of the same shape, dtype and device.

    See: chapter 01, "Draw a digit".
    """
    count, _, height, width = images.shape
    amounts = torch.rand(4, count, generator=generator, device=generator.device).to(images.device)
    amounts = 2 * amounts - 1  # each in [-1, 1]
    angle = amounts[0] * math.radians(degrees)
    size = 1 + amounts[3] * scale
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    shift_x, shift_y = amounts[1] * 2 * pixels / width, amounts[2] * 2 * pixels / height
    rows = [torch.stack([cos, -sin, shift_x], dim=1), torch.stack([sin, cos, shift_y], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images - fill, grid.to(images.dtype), align_corners=False) + fill


def shift(images: torch.Tensor, dx: int, dy: int = 0, *, fill: float = 0.0) -> torch.Tensor:
    """Move all images by whole pixels; what leaves is lost, and the background comes in.

    Args:
        images: Shape (..., H, W).
        dx: Pixels to the right; negative moves left.
        dy: Pixels down; negative moves up.
        fill: The value of the background.
    """
    height, width = images.shape[-2:]
    dx, dy = max(-width, min(dx, width)), max(-height, min(dy, height))  # further away is away as well
    moved = torch.full_like(images, fill)
    rows, from_rows = slice(max(dy, 0), height + min(dy, 0)), slice(max(-dy, 0), height + min(-dy, 0))
    columns, from_columns = slice(max(dx, 0), width + min(dx, 0)), slice(max(-dx, 0), width + min(-dx, 0))
    moved[..., rows, columns] = images[..., from_rows, from_columns]
    return moved


def random_flip(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image of a batch, left to right, with a chance of one half.

    Args:
        images: Shape (N, C, H, W).
        generator: Decides which; best on the device of the images.

    See: chapter 02, "Project".
    """
    chances = torch.rand(len(images), generator=generator, device=generator.device)
    mirrored = (chances < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)
