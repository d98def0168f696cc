"""A Flask script as a process, in Flask's own development server, without its debugger: the guide's way to serve.

`python -m course_utils.recipes.flask_script FILE` serves the `app` that a file makes, as `app.run()` would, on a free
port, and ends when its standard input does.
"""

from __future__ import annotations

import io
import json
import logging
import runpy
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from flask import Flask
from werkzeug.debug import DebuggedApplication
from werkzeug.test import Client, TestResponse


class ScriptProcess:
    """The development server with the `app` of a script, on a free port of this machine, from `with` to its end.

    Args:
        script: A Python file that makes `app`; it is run.

    Raises:
        RuntimeError: If it does not start; the text has the end of what it said.

    See: chapter 06, "From script to service".
    """

    def __init__(self, script: Path) -> None:
        """Start it and wait until it listens."""
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(script)],
            stdin=subprocess.PIPE,  # closed by the system when this process dies: then the server ends too
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline()
        if not line:
            said = self._process.stderr.read()[-1000:]
            raise RuntimeError(f"{script} did not start (exit code {self.stop()}):\n{said}")
        self.pid, self.url, self.seconds = (
            self._process.pid,
            json.loads(line)["url"],
            time.perf_counter() - began,
        )

    def stop(self) -> int:
        """End it and return its exit code."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()
        return code

    def __enter__(self) -> ScriptProcess:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()


def load_app(script: Path) -> Flask:
    """Run a script and return the `app` that it makes, which will not write a traceback for every failure."""
    app: Flask = runpy.run_path(str(script))["app"]
    app.logger.disabled = True
    return app


def post_file(app: Flask, data: bytes) -> TestResponse:
    """Hand a file to an app's `/predict`, in the field `image`, without a network between."""
    return app.test_client().post("/predict", data={"image": (io.BytesIO(data), "digit.png")})


def debug_page(app: Flask, data: bytes) -> str:
    """Return what a client sees after handing over a file that the app fails on, under `app.run(debug=True)`.

    Args:
        app: It is left as `debug=True` sets it.
        data: The file's content.
    """
    app.config["PROPAGATE_EXCEPTIONS"] = True  # hand the error to the debugger
    client = Client(DebuggedApplication(app, evalex=True))
    upload = {"image": (io.BytesIO(data), "digit.png")}
    return client.post(
        "/predict", data=upload, errors_stream=io.StringIO()
    ).text  # the traceback goes there too


def main() -> None:
    """Serve the app of the file that is named, until standard input ends."""
    import threading

    from werkzeug.serving import make_server

    logging.disable()  # a line for each request, and a traceback for each 500, into a pipe that nobody reads
    app = runpy.run_path(sys.argv[1])["app"]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
