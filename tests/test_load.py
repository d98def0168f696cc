"""The load generator and the attacks of chapter 6's lesson, on real servers."""

from __future__ import annotations

import http.server
import io
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from course_utils.recipes import attacks, load
from course_utils.recipes.flask_script import ScriptProcess, debug_page, load_app, post_file

SCRIPT = """
import time
from flask import Flask, request
app = Flask(__name__)
@app.post("/predict")
def predict():
    data = request.files["image"].read()
    time.sleep(0.02 if data == b"slow" else 0)
    return {"bytes": len(data)}
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers a form with its length, now and then closes, and sometimes vanishes."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).answered += 1
        if b"vanish" in body:
            self.close_connection = True
            return
        self.send_response(503 if b"refuse" in body else 200)
        told = str(len(body)).encode()
        self.send_header("content-LENGTH", str(len(told)))
        if self.answered % 3 == 0:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture
def url() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_clients_that_wait_send_one_request_at_a_time(url):
    requests = [load.form(bytes(count)) for count in (1, 20, 300)]
    found = load.closed_loop(url, requests, clients=3, seconds=0.2)
    assert found.unanswered() == 0
    assert len(found.replies) > 10
    expected = [str(len(request.partition(b"\r\n\r\n")[2])).encode() for request in requests]
    assert {reply.row for reply in found.replies} == {0, 1, 2}
    assert all(reply.body == expected[reply.row] for reply in found.replies), "each has its own answer"
    moments = [(reply.due, 1) for reply in found.replies] + [(reply.done, -1) for reply in found.replies]
    assert max(np.cumsum([change for _, change in sorted(moments)])) <= 3
    assert found.rate() * found.times().mean() / 1e3 <= 3.0001, "Little's law: no more inside than clients"


def test_seconds_of_zero_are_one_request_a_client(url):
    assert len(load.closed_loop(url, [load.form(b"a")], clients=25, seconds=0).replies) == 25


def test_the_clock_does_not_wait_for_answers(url):
    found = load.open_loop(url, [load.form(b"a")], rate=300, seconds=0.5, seed=3)
    again = load.open_loop(url, [load.form(b"a")], rate=300, seconds=0.5, seed=3)
    due = sorted(reply.due for reply in found.replies)
    assert due == sorted(reply.due for reply in again.replies)
    assert 100 < len(due) < 200
    assert due[-1] < 0.5
    assert found.unanswered() == 0
    assert all(reply.done > reply.due for reply in found.replies)


def test_more_are_due_than_lines_may_be_open(url, monkeypatch):
    monkeypatch.setattr(load, "LINES", 2)
    found = load.open_loop(url, [load.form(b"a")], rate=400, seconds=0.1, seed=1)
    assert found.unanswered() == 0
    assert len(found.replies) > 20


def test_what_is_refused_or_lost_is_counted(url):
    found = load.closed_loop(
        url, [load.form(b"refuse"), load.form(b"vanish"), load.form(b"a")], clients=3, seconds=0
    )
    assert sorted(reply.status for reply in found.replies) == [0, 200, 503]
    assert found.unanswered() == 2
    assert len(found.times()) == 1


def test_nobody_listens():
    found = load.closed_loop("http://127.0.0.1:9", [load.form(b"a")], clients=2, seconds=1)
    assert [reply.status for reply in found.replies] == [0, 0]
    assert np.isnan(found.percentile(0.5))
    assert found.rate() == 0


def test_a_server_that_is_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(load, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = load.open_loop(f"http://127.0.0.1:{port}", [load.form(b"a")], rate=50, seconds=0.1, seed=0)
    assert found.replies
    assert {reply.status for reply in found.replies} == {0}


@pytest.mark.parametrize(
    ("share", "right"), [(0.5, 3000.0), (0.51, 4000.0), (0.75, 4000.0), (1.0, 9000.0), (0.01, 1000.0)]
)
def test_percentiles_are_times_that_were_measured(share, right):
    replies = [load.Reply(0, done, 0, 200, b"") for done in (9, 1, 3, 4)]
    assert load.Load(replies, 9).percentile(share) == right


def test_a_pause_is_felt_and_ends(tmp_path):
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    with ScriptProcess(script) as server:
        with load.paused(server.pid, after=0.1, seconds=0.3):
            found = load.closed_loop(server.url, [load.form(b"a")], clients=1, seconds=0.5)
        assert found.unanswered() == 0
        assert found.times().max() > 250
        assert psutil.Process(server.pid).status() != psutil.STATUS_STOPPED
        slow = load.closed_loop(server.url, [load.form(b"slow")], clients=2, seconds=0.2)
        assert slow.percentile(0.5) >= 20
    assert not psutil.pid_exists(server.pid)


def test_a_script_that_fails_says_why(tmp_path):
    script = tmp_path / "app.py"
    script.write_text("raise ValueError('no network here')")
    with pytest.raises(RuntimeError, match="no network here"):
        ScriptProcess(script)


def test_the_development_server_dies_with_its_owner(tmp_path):
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    code = (
        "import os, sys; from pathlib import Path; from course_utils.recipes.flask_script import ScriptProcess\n"
        "print(ScriptProcess(Path(sys.argv[1])).pid, flush=True); os._exit(1)"
    )
    command = [sys.executable, "-c", code, str(script)]
    pid = int(subprocess.run(command, capture_output=True, text=True, env=os.environ).stdout)
    until = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the server outlives its owner"
        time.sleep(0.05)


def test_the_bomb_is_a_picture():
    data = attacks.black_png(500)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == ("PNG", "L", (500, 500))
    assert not np.asarray(image).any()
    assert len(data) < 500 * 500 / 200


def test_attacks_are_sent_and_told(url, tmp_path: Path):
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    png = attacks.black_png(28)
    hostile = attacks.hostile_requests(png)
    with ScriptProcess(script) as server, attacks.stalled(server.url, load.form(png), 3):
        assert attacks.send(server.url, load.form(png))[:2] == (200, "an answer")
        assert attacks.send(server.url, hostile["GET instead of POST"]).status == 405
        wrong = attacks.send(server.url, hostile["a digit in the wrong field"])
        assert wrong.status == 400
        assert wrong.said.startswith("<!doctype")
        assert attacks.send(server.url, hostile["five thousand headers"]).status == 431
    assert attacks.send(url, load.form(b"vanish"))[:2] == (0, "")


def test_a_pickle_runs_what_it_names_in_another_process(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps(Speaks()))
    assert attacks.load_pickle(file).splitlines()[0] == "I was called"


class Speaks:
    def __reduce__(self):
        return print, ("I was called",)


def test_pictures_are_what_they_were(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(load.grey_png(pixels)))), pixels)


def test_a_text_is_sent_as_it_is_and_a_load_runs_beside(tmp_path):
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    with ScriptProcess(script) as server:
        request = "GET /nowhere HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"
        with load.in_background(server.url, [load.form(b"a")], clients=2, seconds=0.3) as beside:
            assert load.talk(server.url, request).startswith("HTTP/1.1 404")
        assert beside.result().rate() > 1


def test_a_script_in_this_process(tmp_path):
    script = tmp_path / "app.py"
    script.write_text(SCRIPT.replace("return {", "assert data != b'bad'; return {"))
    app = load_app(script)
    assert post_file(app, b"four").get_json() == {"bytes": 4}
    assert post_file(app, b"bad").status_code == 500
    page = debug_page(app, b"bad")
    assert "EVALEX = true" in page
    assert "AssertionError" in page


def test_what_runs_beside_is_waited_for_and_its_error_is_told():
    with load.beside(lambda: time.sleep(0.05) or 7) as later:
        pass
    assert later.result() == 7
    with pytest.raises(ZeroDivisionError), load.beside(lambda: 1 / 0):
        pass
