"""What anybody may send: hostile pictures are refused before they cost anything, odd ones are read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image
from service_tools import COLOUR, GREY, digit, encode

from course_utils.data.centring import centre_drawing
from course_utils.serving.decode import Limits, Refused, open_picture

LIMITS = Limits()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header promises that size and whose data is a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """Return a PNG whose text unpacks to a hundred megabytes."""
    whole = encode(digit())
    packed = b"Comment\0\0" + zlib.compress(b"a" * 100_000_000)
    chunk = (
        struct.pack(">I", len(packed)) + b"zTXt" + packed + struct.pack(">I", zlib.crc32(b"zTXt" + packed))
    )
    return whole[:33] + chunk + whole[33:]


WHOLE = encode(digit())
REFUSED = {
    "empty": (b"", 400, "empty_file"),
    "text": (b"hello, I am a picture", 415, "not_a_picture"),
    "garbage": (bytes(range(256)) * 40, 415, "not_a_picture"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "not_a_picture"),
    "pdf": (b"%PDF-1.7\n", 415, "not_a_picture"),
    "tiff": (encode(digit(), "TIFF"), 415, "not_a_picture"),
    "cut off": (WHOLE[: len(WHOLE) // 2], 400, "damaged_picture"),
    "header only": (WHOLE[:33], 415, "not_a_picture"),
    "9000²": (bomb(9000, 9000), 413, "too_many_pixels"),
    "13000²": (bomb(13000, 13000), 413, "too_many_pixels"),
    "20000²": (bomb(20000, 20000), 413, "too_many_pixels"),
    "long": (bomb(1, 11_000_000), 413, "too_many_pixels"),
    "promises more": (bomb(3000, 3000), 400, "damaged_picture"),
    "no pixels": (bomb(0, 10), 415, "not_a_picture"),
    "text bomb": (text_bomb(), 400, "damaged_picture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_costs_little_and_is_told(name):
    data, status, code = REFUSED[name]
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            open_picture(data, LIMITS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.message.endswith(".")
    assert peak < 12_000_000


PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        encode(PHOTO),
        encode(PHOTO, "JPEG"),
        encode(PHOTO, "WEBP"),
        encode(PHOTO, "BMP"),
        encode(PHOTO.convert("P"), "GIF"),
        encode(PHOTO.convert("RGBA")),
        encode(PHOTO.convert("LA")),
        encode(PHOTO.convert("1")),
        encode(PHOTO.convert("CMYK"), "JPEG"),
        encode(PHOTO.convert("P")),
        encode(Image.fromarray(np.full((40, 60), 40_000, dtype=np.uint16))),
        encode(PHOTO.resize((1, 1))),
    ],
)
@pytest.mark.parametrize("preprocessing", [GREY, COLOUR])
def test_odd_pictures_are_read(data, preprocessing):
    found = preprocessing.apply(open_picture(data, LIMITS))
    assert found.shape == preprocessing.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1


def test_the_first_frame_of_an_animation():
    frames = [Image.new("L", (28, 28), shade) for shade in (0, 255)]
    found = open_picture(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]), LIMITS)
    assert GREY.apply(found).max() == -1


def test_a_photograph_is_turned_the_right_way_up():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    assert open_picture(encode(PHOTO, "JPEG", exif=exif), LIMITS).size == (40, 60)


def test_a_large_photograph_is_decoded_at_a_fraction():
    large = Image.new("RGB", (4000, 3000), "red")
    assert open_picture(encode(large, "JPEG"), LIMITS).size[0] < 4000


def test_the_limits_themselves_are_allowed():
    limits = Limits(pixels=28 * 28, side=28)
    assert open_picture(WHOLE, limits).size == (28, 28)
    with pytest.raises(Refused, match="784"):
        open_picture(encode(Image.new("L", (28, 29))), limits)


def test_what_is_transparent_is_paper():
    clear = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    assert COLOUR.apply(clear).min() == 1


def test_a_drawing_is_centred_and_ink_is_white():
    sheet = np.full((200, 300), 255, dtype=np.uint8)
    sheet[50:150, 100:110] = 0  # black ink on white paper
    found = GREY.apply(open_picture(encode(Image.fromarray(sheet)), LIMITS))
    expected = (centre_drawing(255 - sheet).astype(np.float32) / 255 - 0.5) / 0.5
    assert np.allclose(found[0], expected)
    assert found.max() == 1


def test_a_digit_of_the_right_size_is_taken_as_it_is():
    image = digit(3)
    assert np.allclose(
        GREY.apply(image)[0], (np.asarray(image, dtype=np.float32) / 255 - 0.5) / 0.5, atol=1e-6
    )


def test_what_pillow_sees_decides_not_the_name():
    named = io.BytesIO(b"plain text")
    named.name = "picture.png"
    with pytest.raises(Refused) as caught:
        open_picture(named.read(), LIMITS)
    assert caught.value.status == 415
