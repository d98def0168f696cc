"""A web server on the loopback address that misbehaves on purpose."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = bytes | tuple[str, bytes] | int


@dataclass
class LocalServer:
    """Serves `answers` by path: bytes, a status code, or ("truncated" | "stall" | "slow", bytes)."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)  # the paths of GET requests, in order
    stalled: threading.Event = field(default_factory=threading.Event)  # set once a body stops half-way
    released: threading.Event = field(default_factory=threading.Event)  # ends every stall
    outlasted: bool = False  # whether a client waited longer than the server's patience

    def __enter__(self) -> LocalServer:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                self._answer(server.answers.get(self.path, 404))

            def do_HEAD(self) -> None:
                self._start(200 if self.path in server.answers else 404, 0)

            def _start(self, status: int, size: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(size))
                if self.path.endswith(".html"):
                    self.send_header("Content-Type", "text/html")
                self.end_headers()

            def _answer(self, answer: Answer) -> None:
                if isinstance(answer, int):
                    self._start(answer, 5)
                    self.wfile.write(b"sorry")
                    return
                manner, body = answer if isinstance(answer, tuple) else ("whole", answer)
                self._start(200, len(body))
                try:
                    self._send(manner, body)
                except OSError:  # the client hung up or was killed
                    self.close_connection = True

            def _send(self, manner: str, body: bytes) -> None:
                half = len(body) // 2
                if manner == "slow":
                    for start in range(0, len(body), max(1, len(body) // 8)):
                        self.wfile.write(body[start : start + max(1, len(body) // 8)])
                        self.wfile.flush()
                        server.released.wait(0.01)
                    return
                self.wfile.write(body if manner == "whole" else body[:half])
                self.wfile.flush()
                if manner == "stall":
                    server.stalled.set()
                    server.outlasted |= not server.released.wait(60)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
