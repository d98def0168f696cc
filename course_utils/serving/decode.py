"""From bytes that anybody may have sent to a picture: looked at before it is decoded, refused with what to do."""

from __future__ import annotations

import io
import math
import threading
from contextlib import nullcontext
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
DETAIL = 1024  # a picture of more than DETAIL² pixels is averaged down to at most so many
SCANS = 200  # of a JPEG; a progressive one has about ten, each costs a pass over all pixels
ORIENTATION = 0x0112  # in EXIF: how the camera was held
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
AVERAGED_AS = {"1": "L", "P": "RGBA", "PA": "RGBA", "I;16": "I", "I;16B": "I", "I;16L": "I"}
_one_large = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """What the service takes on.

    Args:
        body_bytes: Of a whole request.
        pixels: Of a picture, as its header states them; decoded, each costs four bytes, and one such picture at a
            time is decoded. A telephone's photograph has 12 million.
        side: Pixels of its longer side.
        batch: Pictures of one request to `/batch`.
        waiting: Requests that may wait for a thread; more are answered 503 at once.
        retry_s: Seconds that such an answer asks to wait.
    """

    body_bytes: int = 5_000_000
    pixels: int = 16_000_000
    side: int = 20_000
    batch: int = 16
    waiting: int = 100
    retry_s: int = 1


class Refused(Exception):
    """Something that the service does not take.

    Args:
        status: HTTP status: 400, 413, 415 or 503.
        code: One word for programs.
        message: For people: what was got, what is expected, what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep all three."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def open_picture(data: bytes, limits: Limits) -> Image.Image:
    """Return a decoded picture of at most a megapixel, the right way up; of an animation the first frame.

    Args:
        data: The file; its content decides what it is, not its name.
        limits: Of pixels and side; they are held against the header, before anything is decoded.

    Raises:
        Refused: 400 if it is empty or damaged, 413 if it is too large, 415 if it is no picture of a known kind.
    """
    if not data:
        raise Refused(400, "empty_file", "The file is empty: choose a picture and send it again.")
    image = _look(data, limits)
    width, height = image.size
    if width * height > limits.pixels or max(image.size) > limits.side:
        raise _too_large(limits, f"{width} × {height} pixels")
    if not width or not height:
        raise Refused(400, "damaged_picture", "The picture has no pixels: export it again.")
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > SCANS:
        raise Refused(400, "damaged_picture", f"The JPEG has more than {SCANS} scans: export it again.")
    try:
        with _one_large if width * height > DETAIL**2 else nullcontext():
            image.draft(None, (DETAIL, DETAIL))  # decodes a large JPEG at a fraction of its size
            image.load()
            small = _averaged(image)
        turn = _turn(image)
        return small if turn is None else small.transpose(turn)
    except Exception as error:  # whatever Pillow's decoders raise over damaged data
        raise Refused(
            400,
            "damaged_picture",
            f"The {image.format} picture is damaged or cut off ({type(error).__name__}): export or upload it again.",
        ) from error


def _look(data: bytes, limits: Limits) -> Image.Image:
    """Return a picture of which only the header has been read."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise Refused(
            415,
            "not_a_picture",
            f"This file is none of the pictures that can be read, whatever its name says: send one of {known}.",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(limits, "far more pixels") from error
    except Exception as error:  # a header that breaks Pillow's reader
        raise Refused(
            400,
            "damaged_picture",
            f"The header cannot be read ({type(error).__name__}): export the picture again.",
        ) from error


def _averaged(image: Image.Image) -> Image.Image:
    """Return a picture of at most DETAIL² pixels, made strip by strip: a second large copy never exists."""
    width, height = image.size
    factor = math.ceil(math.sqrt(width * height) / DETAIL)
    if factor == 1:
        return image
    mode = "RGBA" if "transparency" in image.info else AVERAGED_AS.get(image.mode, image.mode)
    small = Image.new(mode, (math.ceil(width / factor), math.ceil(height / factor)))
    step = factor * max(1, DETAIL // factor**2)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height))).convert(mode)
        small.paste(strip.reduce(factor), (0, top // factor))
    return small


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what brings the picture upright. EXIF that cannot be read says nothing about the pixels."""
    try:
        return TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # whatever Pillow's reader raises over damaged EXIF
        return None


def _too_large(limits: Limits, found: str) -> Refused:
    return Refused(
        413,
        "too_many_pixels",
        f"The picture has {found}, the service takes at most {limits.pixels:,} and a side of {limits.side:,}: "
        "make it smaller, then send it again.",
    )
