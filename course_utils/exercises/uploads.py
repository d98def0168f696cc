"""An exercise on uploads that may be hostile; all are made in memory, none has the pixels that it promises."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from course_utils.exercises.answers import whole
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call


def my_upload_check(data: bytes, max_bytes: int, max_pixels: int) -> int:
    import io

    from PIL import Image

    if len(data) > max_bytes:
        return 413
    if not data:
        return 400
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF"])  # reads the header only
    except OSError:  # such as PIL.UnidentifiedImageError
        return 415
    except Image.DecompressionBombError:
        return 413
    if image.width * image.height > max_pixels:
        return 413
    try:
        image.load()
    except Exception:
        return 400
    return 200


def _file(kind: str, width: int = 8, height: int = 8, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _promise(width: int, height: int) -> bytes:
    """Return a PNG whose header promises a size that its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def uploads() -> list[tuple[str, tuple[bytes, int, int], int]]:
    """Return what is sent, in words, with the arguments and the right answer."""
    png = _file("PNG")
    moving = _file("GIF", save_all=True, append_images=[Image.new("L", (8, 8), 9)])
    return [
        ("a PNG", (png, 10_000, 64), 200),
        ("a JPEG", (_file("JPEG"), 10_000, 64), 200),
        ("an animated GIF", (moving, 10_000, 64), 200),
        ("a PNG of exactly max_bytes", (png, len(png), 64), 200),
        ("a PNG of one byte more than max_bytes", (png, len(png) - 1, 64), 413),
        ("a PNG of one pixel row more than max_pixels allows", (_file("PNG", 8, 9), 10_000, 64), 413),
        ("nothing at all", (b"", 10_000, 64), 400),
        ("the first half of a PNG", (_file("PNG", 40, 40)[:900], 10_000, 1600), 400),
        ("the first half of a JPEG", (_file("JPEG", 64, 64)[:1500], 10_000, 5000), 400),
        ("text, sent as picture.png", (b"I am a picture, believe me", 10_000, 64), 415),
        ("a BMP", (_file("BMP"), 10_000, 64), 415),
        ("a WebP", (_file("WEBP"), 10_000, 64), 415),
        ("a PDF", (b"%PDF-1.7\n%abc\n1 0 obj", 10_000, 64), 415),
        ("a TIFF", (_file("TIFF"), 10_000, 64), 415),
        (
            "a hundred bytes of PNG that promise 9,000 × 9,000 pixels",
            (_promise(9000, 9000), 10_000, 10**6),
            413,
        ),
        (
            "a hundred bytes of PNG that promise 20,000 × 20,000",
            (_promise(20_000, 20_000), 10_000, 10**6),
            413,
        ),
        ("text of more than max_bytes", (b"a" * 200, 100, 64), 413),
        ("a PNG in which one byte was changed", (_spoilt(_file("PNG", 16, 16)), 10_000, 256), 400),
    ]


def _spoilt(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x5A]) + data[middle + 1 :]


def examine_upload_check(answer: Any) -> None:
    for words, given, right in uploads():
        with _pillow_kept():
            found = call(answer, *given)
        whole(found, right, f"for {words}: ")
    with _pillow_kept():
        found = call(answer, b"\x89PNG\r\n\x1a\nhello", 10_000, 64)
    with contextlib.suppress(NotYet):
        whole(found, 400, "")
        return
    whole(found, 415, "for the eight bytes that begin a PNG, then text, where 400 is right too: ")


@contextlib.contextmanager
def _pillow_kept() -> Iterator[None]:
    """Undo what a learner's code sets in Pillow: the next upload is judged by the same rules."""
    kept = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = kept


def believes_the_first_bytes(data: bytes, max_bytes: int, max_pixels: int) -> int:
    if len(data) > max_bytes:
        return 413
    return 200 if data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8")) else 415


def decodes_before_it_looks(data: bytes, max_bytes: int, max_pixels: int) -> int:
    if len(data) > max_bytes:
        return 413
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF"])
        image.load()
    except UnidentifiedImageError:
        return 415 if data else 400
    except Exception:
        return 400
    return 413 if image.width * image.height > max_pixels else 200


def trusts_the_header(data: bytes, max_bytes: int, max_pixels: int) -> int:
    if len(data) > max_bytes:
        return 413
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF"])
    except Image.DecompressionBombError:
        return 413
    except UnidentifiedImageError:
        return 415 if data else 400
    return 413 if image.width * image.height > max_pixels else 200


def trusts_verify(data: bytes, max_bytes: int, max_pixels: int) -> int:
    if len(data) > max_bytes:
        return 413
    if not data:
        return 400
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF"])
        size = image.width * image.height
        image.verify()
    except UnidentifiedImageError:
        return 415
    except Image.DecompressionBombError:
        return 413
    except Exception:
        return 400
    return 413 if size > max_pixels else 200
