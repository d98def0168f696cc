"""A small load generator, for lessons: requests over real sockets, from clients that wait and by the clock.

One thread tends all connections, so that the generator costs little beside the server that it measures.
"""

from __future__ import annotations

import io
import math
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

T = TypeVar("T")
LINES = 300  # connections at most; what is due then waits here, and its time counts on
PATIENCE_S = 15.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Reply(NamedTuple):
    """One request: when it was due and when its answer was whole (s since the start), which picture, what came.

    The status is 0 where the connection broke or no answer came in time.
    """

    due: float
    done: float
    row: int
    status: int
    body: bytes


class Load(NamedTuple):
    """What came of a load, and how many seconds from the first request to the last answer."""

    replies: list[Reply]
    seconds: float

    def times(self) -> npt.NDArray[np.float64]:
        """Return the milliseconds of each request that was answered 200, from when it was due; shape (N,)."""
        return np.array([1e3 * (reply.done - reply.due) for reply in self.replies if reply.status == 200])

    def percentile(self, share: float) -> float:
        """Return the smallest time in ms such that at least `share` (0 to 1) of those requests took no longer."""
        times = np.sort(self.times())
        return float(times[math.ceil(share * len(times)) - 1]) if len(times) else math.nan

    def rate(self) -> float:
        """Return the requests answered 200 in a second."""
        return len(self.times()) / self.seconds

    def unanswered(self) -> int:
        """Return how many requests were not answered 200."""
        return len(self.replies) - len(self.times())


def grey_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a grey picture as a PNG file.

    Args:
        pixels: 0 (black) to 255 (white), shape (height, width).
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def form(png: bytes, *, field: str = "image", host: str = "127.0.0.1", path: str = "/predict") -> bytes:
    """Return a whole HTTP request that sends one file as a form.

    Args:
        png: The file's content, whatever it is.
        field: Of the form.
        host: That the request names.
        path: That it asks for.
    """
    head = f'--B\r\nContent-Disposition: form-data; name="{field}"; filename="digit.png"\r\nContent-Type: image/png'
    body = head.encode() + b"\r\n\r\n" + png + b"\r\n--B--\r\n"
    lines = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    return lines.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def talk(url: str, text: str) -> str:
    """Open a connection, send a text, and return all that comes back until the other side closes it.

    Args:
        url: Of the server.
        text: ASCII, such as a whole HTTP request.
    """
    parts, answer = urlsplit(url), b""
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PATIENCE_S) as connection:
        connection.sendall(text.encode("ascii"))
        while data := connection.recv(1 << 16):
            answer += data
    return answer.decode()


def closed_loop(url: str, requests: Sequence[bytes], *, clients: int, seconds: float) -> Load:
    """Let each of some clients send its next request when it has the answer to the one before.

    Args:
        url: Of the server, e.g. `"http://127.0.0.1:8000"`.
        requests: Whole requests, sent in turn, over and over.
        clients: 1 or more.
        seconds: After which no new request is sent.

    See: chapter 06, "Under load".
    """
    with _Wire(url, requests) as wire:
        for _ in range(clients):
            wire.send(wire.now())
        while wire.busy():
            for reply in wire.answers(0.1):
                if wire.now() < seconds and reply.status:
                    wire.send(wire.now())
        return wire.load()


def open_loop(url: str, requests: Sequence[bytes], *, rate: float, seconds: float, seed: int = 0) -> Load:
    """Send requests when they are due, whether or not earlier ones have been answered (a Poisson process).

    Args:
        url: Of the server.
        requests: Whole requests, sent in turn, over and over.
        rate: Requests due in a second, on average.
        seconds: After which none is due.
        seed: Of the random gaps between them.

    See: chapter 06, "Under load".
    """
    gaps = np.random.default_rng(seed).exponential(1 / rate, size=int(3 * rate * seconds) + 20)
    due = deque(moment for moment in np.cumsum(gaps).tolist() if moment < seconds)
    with _Wire(url, requests) as wire:
        while due or wire.busy():
            while due and due[0] <= wire.now():
                wire.send(due.popleft())
            wire.answers(min(0.1, max(0.0, due[0] - wire.now())) if due else 0.1)
        return wire.load()


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Do something in a thread while the `with` runs; at its end it is done, or its error is raised."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work)
        yield future
    future.result()


def in_background(
    url: str, requests: Sequence[bytes], *, clients: int, seconds: float
) -> AbstractContextManager[Future[Load]]:
    """Run a closed loop beside what the `with` holds; the `Future` has its load. All arguments as in `closed_loop`."""
    return beside(lambda: closed_loop(url, requests, clients=clients, seconds=seconds))


def paused(pid: int, *, after: float, seconds: float) -> AbstractContextManager[Future[None]]:
    """Let a process stand still once, some time after the `with` begins; it is running again at its end.

    Args:
        pid: Of a process that you started.
        after: Seconds until it stands still.
        seconds: For which it does.
    """
    process = psutil.Process(pid)

    def stand_still() -> None:
        time.sleep(after)
        process.suspend()
        try:
            time.sleep(seconds)
        finally:
            process.resume()

    return beside(stand_still)


class _Line:
    """A connection, kept from one request to the next, with the request that it carries."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.due, self.row, self.sent = b"", 0.0, 0, 0.0

    def receive(self) -> tuple[int, bytes, bool] | None:
        """Read what is there; return status, body and whether the line stays open, once an answer is whole."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        self.buffer += data
        head, gap, body = self.buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if gap and (len(body) >= int(length[1]) if length else not data):
            return int(head.split(None, 2)[1]), body, bool(data and length and not CLOSES.search(head))
        return None if data else (0, b"", False)


class _Wire:
    """All connections to one server, the idle ones and those that carry a request."""

    def __init__(self, url: str, requests: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self._address, self._requests = (parts.hostname or "", parts.port or 80), requests
        self._selector, self._idle = selectors.DefaultSelector(), list[_Line]()
        self._carrying, self._due, self._replies = set[_Line](), deque[float](), list[Reply]()
        self._next, self._start = 0, time.perf_counter()

    def __enter__(self) -> _Wire:
        return self

    def __exit__(self, *error: object) -> None:
        for line in [*self._carrying, *self._idle]:
            line.socket.close()
        self._selector.close()

    def now(self) -> float:
        return time.perf_counter() - self._start

    def busy(self) -> bool:
        return bool(self._carrying or self._due)

    def load(self) -> Load:
        return Load(self._replies, self.now())

    def send(self, due: float) -> None:
        self._due.append(due)
        self._send_what_is_due()

    def _send_what_is_due(self) -> None:
        while self._due and len(self._carrying) < LINES:
            row, due = self._next % len(self._requests), self._due.popleft()
            self._next += 1
            try:
                line = self._idle.pop() if self._idle else self._connect()
                line.due, line.row, line.sent, line.buffer = due, row, self.now(), b""
                line.socket.sendall(self._requests[row])
                self._carrying.add(line)
            except OSError:
                self._replies.append(Reply(due, self.now(), row, 0, b""))

    def _connect(self) -> _Line:
        line = _Line(self._address)
        self._selector.register(line.socket, selectors.EVENT_READ, line)
        return line

    def answers(self, wait: float) -> list[Reply]:
        """Return the answers that have become whole, waiting for the first at most that many seconds."""
        found = []
        for key, _ in self._selector.select(wait):
            line: _Line = key.data
            answer = line.receive()
            if answer and line in self._carrying:
                found.append(self._end(line, *answer))
            elif answer:  # the server has closed an idle line
                self._idle.remove(line)
                self._forget(line)
        late = [line for line in self._carrying if self.now() - line.sent > PATIENCE_S]
        found += [self._end(line, 0, b"", False) for line in late]
        self._send_what_is_due()
        return found

    def _end(self, line: _Line, status: int, body: bytes, stays: bool) -> Reply:
        self._carrying.remove(line)
        if stays:
            self._idle.append(line)
        else:
            self._forget(line)
        self._replies.append(Reply(line.due, self.now(), line.row, status, body))
        return self._replies[-1]

    def _forget(self, line: _Line) -> None:
        self._selector.unregister(line.socket)
        line.socket.close()
