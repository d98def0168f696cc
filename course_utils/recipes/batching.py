"""A queue that collects single pictures into batches, as many serving systems have one; to find out whether it pays."""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from werkzeug.test import EnvironBuilder

from course_utils.serving.app import Served, create_app
from course_utils.serving.bundle import Bundle
from course_utils.serving.predictor import Predictor

Floats = npt.NDArray[np.float32]
LARGEST = 16


class Collecting(Predictor):
    """A predictor whose calls wait for company: one thread takes what came together and asks the network once.

    Args:
        bundle: As `bundle.read_bundle` returns it.
        wait_s: Seconds for which a batch stays open after its first picture; 0 takes what is there.

    See: chapter 06, "Does batching pay?".
    """

    def __init__(self, bundle: Bundle, wait_s: float) -> None:
        """Start the thread."""
        self.wait_s, self.formed = wait_s, list[int]()  # how many calls met in each batch
        self._waiting: queue.SimpleQueue[tuple[Floats, Future[Floats]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()
        super().__init__(bundle)

    def logits(self, batch: Floats) -> Floats:
        """Return the network's scores, once its batch was computed; shapes as in `Predictor.logits`."""
        answer: Future[Floats] = Future()
        self._waiting.put((batch, answer))
        return answer.result()

    def stop(self) -> None:
        """End the thread."""
        self._waiting.put(None)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, until = [first], time.perf_counter() + self.wait_s
            while len(together) < LARGEST and (more := self._take(until - time.perf_counter())):
                together.append(more)
            try:
                found = super().logits(np.concatenate([batch for batch, _ in together]))
            except Exception as error:  # each caller gets it; the thread goes on
                for _, answer in together:
                    answer.set_exception(error)
                continue
            self.formed.append(len(together))
            ends = np.cumsum([len(batch) for batch, _ in together])[:-1]
            for rows, (_, answer) in zip(np.split(found, ends), together, strict=True):
                answer.set_result(rows)

    def _take(self, left_s: float) -> tuple[Floats, Future[Floats]] | None:
        """Return the next call that comes in time, or None."""
        try:
            taken = self._waiting.get(timeout=left_s) if left_s > 0 else self._waiting.get_nowait()
        except queue.Empty:
            return None
        if taken is None:
            self._waiting.put(None)  # to stop is not for this batch
        return taken


def ask_at_once(
    predictor: Predictor, png: bytes, *, clients: int, requests: int = 80
) -> tuple[npt.NDArray[np.float64], float, list[bytes]]:
    """Send whole requests to the service's app, as Waitress's threads do, without a socket.

    Args:
        predictor: That answers them.
        png: The picture in each of them.
        clients: Threads; each asks again when it has its answer.
        requests: Of all of them.

    Returns:
        Milliseconds of each request, shape (requests,), milliseconds of processor time a request, and the bodies.
    """
    app = create_app(lambda: Served(predictor, None), log=lambda line: None)
    form = EnvironBuilder(path="/predict", method="POST", data={"image": (io.BytesIO(png), "digit.png")})
    environ = form.get_environ()
    body = environ["wsgi.input"].read()

    def ask(number: int) -> tuple[float, bytes]:
        began = time.perf_counter()
        told = app({**environ, "wsgi.input": io.BytesIO(body)}, _ignore)
        return 1e3 * (time.perf_counter() - began), b"".join(told)

    ask(0)  # makes the routes
    spent = time.process_time()
    with ThreadPoolExecutor(clients) as threads:
        times, bodies = zip(*threads.map(ask, range(requests)), strict=True)
    return np.array(times), 1e3 * (time.process_time() - spent) / requests, list(bodies)


def _ignore(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401
    return lambda data: None


def fastest_ms(call: Callable[[], object], *, rounds: int = 15) -> float:
    """Return the milliseconds of the fastest call: what else the machine does can only slow one down."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - began))
    return min(times)
