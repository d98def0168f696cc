"""What anybody may send to a service that reads pictures, for the lesson that breaks one. Only for your own server."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from course_utils.recipes.load import form

BOMB_SIDE, PROMISED_SIDE = 9_000, 20_000
PATIENCE_S = 20.0


class Outcome(NamedTuple):
    """What came back: the status (0: the connection was closed without an answer), what it says, ms until then."""

    status: int
    said: str
    ms: float


def black_png(side: int) -> bytes:
    """Return a grey PNG of side × side black pixels: real, valid, and a thousandth of what it unfolds to."""
    packer = zlib.compressobj(9)
    row = bytes(side + 1)  # one byte of filter before each row
    return _png(side, b"".join([packer.compress(row) for _ in range(side)] + [packer.flush()]))


def _png(side: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def hostile_requests(png: bytes) -> dict[str, bytes]:
    """Return fourteen whole requests, by what is wrong with them.

    Args:
        png: A picture that the service answers.

    See: chapter 06, "Break it".
    """
    files = {
        "an empty file": b"",
        "text, named digit.png": b"I am a picture, believe me",
        "half a PNG": png[: len(png) // 2],
        "the start of a PNG, then noise": png[:8] + bytes(range(256)),
        "ten megabytes of noise": bytes(range(250)) * 40_000,
        "a bomb: few bytes, many pixels": black_png(BOMB_SIDE),
        "a promise of even more pixels": _png(PROMISED_SIDE, zlib.compress(bytes(100))),
    }
    good = form(png)
    line, _, rest = good.partition(b"\r\n")
    many = b"".join(b"X-%d: a\r\n" % number for number in range(5000))
    text = b'{"image": "a digit"}'
    as_json = b"Host: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text
    return {words: form(data) for words, data in files.items()} | {
        "a digit in the wrong field": form(png, field="picture"),
        "JSON instead of a form": line + b"\r\n" + as_json,
        "GET instead of POST": b"GET /predict HTTP/1.1\r\nHost: a\r\n\r\n",
        "a negative length": line + b"\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        "no length": line + b"\r\nHost: a\r\n\r\n",
        "five thousand headers": line + b"\r\n" + many + rest,
        "half an upload, then gone": good[: len(good) // 2],
    }


def load_pickle(path: Path) -> str:
    """Load a pickle in a process of its own, `python -m pickle FILE`, and return what that prints.

    Only for a file that you made yourself: it may call any function.

    See: chapter 06, "Save and load safely".
    """
    command = [sys.executable, "-m", "pickle", str(path)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def send(url: str, request: bytes) -> Outcome:
    """Send raw bytes over a connection of their own, say that no more will come, and wait for what comes back."""
    began, answer = time.perf_counter(), b""
    with socket.create_connection(_address(url), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was all sent: the answer is already there
        try:
            while data := connection.recv(1 << 16):
                answer += data
        except OSError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(None, 2)[1]) if head.startswith(b"HTTP/") else 0
    return Outcome(status, _said(body), 1e3 * (time.perf_counter() - began))


def _said(body: bytes) -> str:
    """Return the answer's error, or, where it is no JSON with an error, how it begins."""
    try:
        return str(json.loads(body).get("error", "an answer"))
    except (ValueError, AttributeError):
        return " ".join(body.decode(errors="replace").split())[:60]


@contextmanager
def stalled(url: str, request: bytes, count: int) -> Iterator[None]:
    """Hold some connections open that have sent half a request and then fall silent, until the `with` ends."""
    with ExitStack() as held:
        for _ in range(count):
            connection = held.enter_context(socket.create_connection(_address(url), timeout=PATIENCE_S))
            connection.sendall(request[: len(request) // 2])
        yield


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
