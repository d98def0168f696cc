"""What anybody may send: hostile pictures are refused before they cost anything, odd ones are read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
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


def profile_bomb() -> bytes:
    """Return a PNG whose colour profile unpacks to a hundred megabytes."""
    whole, packed = encode(digit()), b"x\0\0" + zlib.compress(b"a" * 100_000_000)
    chunk = (
        struct.pack(">I", len(packed)) + b"iCCP" + packed + struct.pack(">I", zlib.crc32(b"iCCP" + packed))
    )
    return whole[:33] + chunk + whole[33:]


def scan_bomb(repeats: int) -> bytes:
    """Return a progressive JPEG that draws its last scan again and again: few bytes each, a pass over all pixels."""
    whole = encode(Image.new("L", (800, 800)), "JPEG", progressive=True)
    start, end = whole.rfind(b"\xff\xda"), whole.rfind(b"\xff\xd9")
    return whole[:end] + whole[start:end] * repeats + whole[end:]


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
    "profile bomb": (profile_bomb(), 400, "damaged_picture"),
    "scan bomb": (scan_bomb(300), 400, "damaged_picture"),
    "wide frame": (
        b"GIF89a\n\0\n\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;",
        413,
        "too_many_pixels",
    ),
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


@pytest.mark.parametrize("value", range(1, 9))
def test_all_ways_to_hold_a_camera(value):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encode(PHOTO, exif=exif)
    assert (
        open_picture(data, LIMITS).tobytes()
        == ImageOps.exif_transpose(Image.open(io.BytesIO(data))).tobytes()
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_picture():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\3\0\0\0\1\0\6\0\0\x87\x69\0\4\0\0\0\1\xff\xff\xff\xff"
    assert sorted(open_picture(encode(PHOTO, "JPEG", exif=exif), LIMITS).size) == [40, 60]


SHEET = np.full((1500, 2001), 255, dtype=np.uint8)
SHEET[300:1200, 900:990] = 0


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "tRNS"])
def test_a_large_picture_is_averaged_whatever_its_mode(mode):
    sheet = Image.fromarray(SHEET)
    options = {"transparency": 255} if mode == "tRNS" else {}
    if mode == "I;16":
        sheet = Image.fromarray(SHEET.astype(np.uint16) * 257)
    elif mode != "tRNS":
        sheet = sheet.convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    found = open_picture(encode(sheet, kind, **options), LIMITS)
    assert found.width * found.height <= 1024**2
    assert found.width / found.height == pytest.approx(2001 / 1500, rel=0.01)
    whole = GREY.apply(open_picture(encode(Image.fromarray(SHEET[::3, ::3])), LIMITS))
    assert np.abs(GREY.apply(found) - whole).mean() < 0.02  # the same stroke, in the same place


def test_a_colour_that_stands_for_clear_is_paper():
    for image, clear in ((Image.new("L", (28, 28), 7), 7), (Image.new("RGB", (28, 28), "red"), (255, 0, 0))):
        found = open_picture(encode(image, transparency=clear), LIMITS)
        assert COLOUR.apply(found).min() == 1


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
