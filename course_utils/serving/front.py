"""Waitress in front of the app: it buffers whole requests, so that slow clients hold no thread, and it stops in order.

One process runs it by itself (`server`), or several under gunicorn's supervision (`workers`).
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from course_utils.serving.app import create_app
from course_utils.serving.decode import Limits
from course_utils.serving.metrics import Metrics
from course_utils.serving.store import Store

POLL_S = 0.2
CONNECTIONS = 1000
BACKLOG = 1024
IN_HAND = 1_000_000  # bytes of an answer; Waitress makes a thread wait for the loop at 16 times as many
QUIET_S = 0.3
DRAIN_S, MOST_DRAINED = 2.0, 50_000_000


class _Task(WSGITask):  # type: ignore[misc]
    """A request; while the service stops, its answer ends the connection."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping():
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """What Waitress itself refuses, such as a body above the limit, is told in JSON like all else."""

    def execute(self) -> None:
        error = self.request.error
        code = error.reason.lower().replace(" ", "_")
        told = f"{error.reason}: {error.body}. /openapi.json says what may be sent."
        body = json.dumps({"error": told, "code": code, "request_id": secrets.token_hex(8)}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.channel.refused = True
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. One that sent too much is told so, and read to its end for a moment: else it sees only a reset."""

    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(self, server: Any, *given: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(server, *given, **options)
        server.last_connection = time.monotonic()

    refused = False
    drained_until = 0.0
    drained = 0

    def readable(self) -> bool:
        return bool(self.drained_until or super().readable())

    def writable(self) -> bool:
        if self.drained_until:
            return time.monotonic() > self.drained_until
        # The thread that answers sends what it can by itself, and wakes the loop when it is done. Until then the loop
        # would try again and again for the lock that this thread holds, at the cost of the time that it needs.
        in_hand = self.requests and self.total_outbufs_len < IN_HAND
        return bool(super().writable() and (self.will_close or not in_hand))

    def handle_write(self) -> None:
        if self.drained_until:
            self.handle_close()
        else:
            super().handle_write()

    def handle_read(self) -> None:
        if not self.drained_until:
            super().handle_read()
            return
        self.drained += len(self.recv(1 << 16))
        if self.drained > MOST_DRAINED:
            self.handle_close()

    def handle_close(self) -> None:
        if self.refused and not self.drained_until and self.connected:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
                return
            self.drained_until, self.will_close = time.monotonic() + DRAIN_S, False
        else:
            super().handle_close()


class Front:
    """A listening socket, Waitress, and the app behind it.

    Args:
        store: What is served.
        listener: A socket that is bound.
        threads: That answer requests.
        limits: What the service takes on.
        stalled_s: Seconds after which a connection on which nothing happens is closed.
        grace_s: Least and most seconds after the signal to stop in which new connections are still taken: until
            whoever sends requests here has seen that `/ready` answers 503, and none has come for a moment.

    See: chapter 06, "From script to service".
    """

    def __init__(
        self,
        store: Store,
        listener: socket.socket,
        *,
        threads: int = 4,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        stalled_s: float = 20.0,
        grace_s: tuple[float, float] = (0.5, 10.0),
    ) -> None:
        """Make the app and start the threads; `run` answers."""
        self.metrics = Metrics()
        self._grace_s, self._stopping_since = grace_s, 0.0
        self._tasks = ThreadedTaskDispatcher()
        self._tasks.set_thread_count(threads)
        self._tasks.queue_logger.disabled = True  # a line for every waiting request; `waiting` watches them
        store.on_failure = self.metrics.failed_versions.inc
        app = create_app(
            store.current,
            limits=limits,
            metrics=self.metrics,
            waiting=lambda: len(self._tasks.queue),
            stopping=lambda: self._stopping_since > 0,
        )
        self._server = create_server(
            app,
            sockets=[listener],
            _dispatcher=self._tasks,
            connection_limit=CONNECTIONS,
            backlog=BACKLOG,
            max_request_body_size=limits.body_bytes,
            channel_timeout=stalled_s,
            cleanup_interval=max(1, int(stalled_s / 4)),
            asyncore_use_poll=True,
            ident=None,
        )
        self._server.channel_class = _Channel
        self._server.last_connection = 0.0
        self._server.stopping = lambda: self._stopping_since > 0

    def stop(self) -> None:
        """Begin to stop; safe in a signal handler."""
        self._stopping_since = self._stopping_since or time.monotonic()

    def run(self, tick: Callable[[], None] = lambda: None, *, patience_s: float = 25.0) -> None:
        """Answer until `stop` is called and all that was sent before is answered.

        Args:
            tick: Called several times a second.
            patience_s: Seconds that requests in flight may take to end.
        """
        while not self._stopping_since or not self._left_alone():
            self._turn(tick)
        self._take_the_last_connections()
        until = time.monotonic() + patience_s
        while self._open_channels() and time.monotonic() < until:
            self._turn(tick)
        self._tasks.shutdown(cancel_pending=True, timeout=1)
        wasyncore.close_all(self._server._map)

    def _turn(self, tick: Callable[[], None]) -> None:
        wasyncore.loop(timeout=POLL_S, map=self._server._map, use_poll=True, count=1)
        tick()

    def _left_alone(self) -> bool:
        least, most = self._grace_s
        now, since = time.monotonic(), self._stopping_since
        return now > since + most or (now > since + least and now > self._server.last_connection + QUIET_S)

    def _take_the_last_connections(self) -> None:
        """Accept what has already connected, then listen no more."""
        before = -1
        while before != len(self._server.active_channels):
            before = len(self._server.active_channels)
            self._server.handle_accept()
        wasyncore.dispatcher.close(self._server)
        self._server.readable = lambda: False

    def _open_channels(self) -> bool:
        """Close what has been quiet since the signal and for a second; say whether others are left."""
        now = time.time()
        for channel in list(self._server.active_channels.values()):
            if not channel.requests and not channel.total_outbufs_len and channel.last_activity < now - 1:
                channel.will_close = True
        return bool(self._server.active_channels)
