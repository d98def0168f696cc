"""The real service as a process: many clients, slow ones, hostile ones, killed workers, and an orderly end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image
from service_tools import (
    LABELS,
    ask,
    connect,
    digit,
    encode,
    exchange,
    form,
    tiny_bundle,
    tiny_graph,
    tiny_store,
)

from course_utils.data.digits import load_raw
from course_utils.serving import bundle
from course_utils.serving.app import Served, create_app
from course_utils.serving.decode import Limits, open_picture
from course_utils.serving.predictor import Predictor
from course_utils.serving.process import ServerProcess
from course_utils.serving.store import choose_version

WORKERS = pytest.mark.skipif(os.name == "nt", reason="several workers need Linux or macOS")
MEMORY = 150_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_store(tmp_path_factory.mktemp("store") / "tiny")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder) as running:
        yield running


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder, workers=2) as running:
        wait_for(lambda: len(children(running)) == 2)
        yield running


@pytest.fixture(params=["one process", pytest.param("two workers", marks=WORKERS)])
def running(request: pytest.FixtureRequest) -> ServerProcess:
    return request.getfixturevalue("server" if request.param == "one process" else "workers")


def children(running: ServerProcess) -> list[psutil.Process]:
    return psutil.Process(running.pid).children(recursive=True)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_a_picture_gets_the_answer_of_the_network(running, folder):
    predictor = Predictor(bundle.read_bundle(folder / "1"))
    data = encode(digit(5))
    status, found, headers = ask(running.url, "/predict", data, **{"X-Request-Id": "mine-1"})
    expected = predictor.classify(open_picture(data, Limits()))
    assert status == 200
    assert (found["prediction"], found["label"]) == (expected.prediction, LABELS[expected.prediction])
    assert found["confidence"] == pytest.approx(expected.confidence, abs=1e-6)
    assert list(found["probabilities"]) == LABELS
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert found["model"] == {"name": "tiny", "version": "1"}
    assert found["request_id"] == headers["x-request-id"] == "mine-1"
    assert headers["x-content-type-options"] == "nosniff"


def test_several_pictures_at_once_and_a_bad_one_among_them(server):
    status, found, _ = ask(server.url, "/batch", encode(digit(1)), b"no picture", encode(digit(2)))
    assert status == 200
    assert [("error" in each) for each in found["predictions"]] == [False, True, False]
    single = ask(server.url, "/predict", encode(digit(2)))[1]
    assert found["predictions"][2]["prediction"] == single["prediction"]
    assert ask(server.url, "/batch", *[encode(digit())] * 17)[0] == 413


@pytest.mark.parametrize(
    ("path", "files", "options", "status", "code"),
    [
        ("/predict", [b"text"], {}, 415, "not_a_picture"),
        ("/predict", [b""], {}, 400, "empty_file"),
        ("/predict", [encode(digit())] * 2, {}, 400, "several_pictures"),
        ("/predict", [], {"method": "POST"}, 400, "no_image"),
        ("/predict", [], {}, 405, "method_not_allowed"),
        ("/batch", [], {"method": "POST"}, 400, "no_image"),
        ("/nothing", [], {}, 404, "not_found"),
        ("/static/../app.py", [], {}, 404, "not_found"),
        ("/static//page.js", [], {}, 404, "not_found"),
        ("/health", [], {"method": "DELETE"}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_answered_is_told_in_json(server, path, files, options, status, code):
    found = ask(server.url, path, *files, **options)
    assert (found[0], found[1]["code"]) == (status, code)
    assert set(found[1]) == {"error", "code", "request_id"}


def test_a_body_above_the_limit_is_refused_before_it_is_read(running):
    status, found, _ = ask(running.url, "/predict", b"x" * 10_000_000)
    assert (status, found["code"]) == (413, "request_entity_too_large")


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_broken_http_is_refused(server, raw):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer == b"" or 400 <= int(answer.split()[1]) < 500
    assert ask(server.url, "/health")[0] == 200


def test_sixty_four_clients_get_their_own_answers(running, folder):
    predictor = Predictor(bundle.read_bundle(folder / "1"))

    def client(number: int) -> list[bool]:
        connection = connect(running.url)
        right = []
        for turn in range(4):
            image = digit(1000 * number + turn)
            status, found, _ = exchange(
                connection, "/predict", encode(image), **{"X-Request-Id": f"c{number}-{turn}"}
            )
            expected = predictor.classify(image)
            right.append(
                status == 200
                and found["request_id"] == f"c{number}-{turn}"
                and abs(found["confidence"] - expected.confidence) < 1e-6
            )
        connection.close()
        return right

    with ThreadPoolExecutor(64) as pool:
        answers = [right for found in pool.map(client, range(64)) for right in found]
    assert len(answers) == 256
    assert all(answers)


def test_slow_clients_do_not_stop_others(running):
    host, port = running.url.removeprefix("http://").split(":")
    body, headers = form(encode(digit()))
    kind = headers["Content-Type"]
    start = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    stalled = [socket.create_connection((host, int(port)), timeout=10) for _ in range(20)]
    try:
        for connection in stalled:
            connection.sendall(start.encode() + body[:200])
        for _ in range(5):
            assert ask(running.url, "/predict", encode(digit()))[0] == 200
        stalled[0].sendall(body[200:])  # one of them goes on after all
        assert stalled[0].recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for connection in stalled:
            connection.close()


def test_memory_stays_flat(folder):
    with ServerProcess(folder) as running:
        process = psutil.Process(running.pid)
        files = [encode(digit()), encode(Image.new("RGB", (1500, 1000), "red"), "JPEG"), b"garbage" * 1000]

        def send(count: int) -> None:
            connection = connect(running.url)
            for number in range(count):
                exchange(connection, "/predict", files[number % 3])
            connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, [150] * 4))  # warms up all threads
            before = process.memory_info().rss
            list(pool.map(send, [200] * 4))
        after = process.memory_info().rss
    assert after <= 1.05 * before, f"{before:,} → {after:,}"
    assert after <= MEMORY


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_large_pictures_are_decoded_one_at_a_time(folder):
    large = encode(Image.new("RGBA", (4000, 3000), (9, 9, 9, 128)))  # 48 MB decoded, 60 kB to send
    with ServerProcess(folder) as running:
        with ThreadPoolExecutor(4) as pool:
            assert {
                found[0] for found in pool.map(lambda _: ask(running.url, "/predict", large), range(4))
            } == {200}
        status, found, _ = ask(running.url, "/batch", *[large] * 6)
        assert (status, len(found["predictions"])) == (200, 6)
        [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{running.pid}/status").read_text())
        assert int(peak) <= 200_000  # all at once would need a gigabyte
        assert psutil.Process(running.pid).memory_info().rss <= MEMORY  # and what was decoded is gone


def test_a_network_that_gives_no_number_is_said(tmp_path):
    served = bundle.read_bundle(
        tiny_bundle(tmp_path / "1", files={"model.onnx": tiny_graph(scale=1e37)}).folder
    )
    said: list[str] = []
    app = create_app(lambda: Served(Predictor(served), None), log=said.append)
    body, headers = form(encode(Image.new("L", (28, 28), 255)))
    found = app.test_client().post("/predict", data=body, headers=headers)
    assert (found.status_code, found.get_json()["code"]) == (500, "internal")
    assert json.loads(said[0])["status"] == 500


def test_it_starts_fast_small_and_without_torch(folder):
    code = (
        "import sys; from course_utils.serving import app, front, server, store;"
        "from pathlib import Path; from course_utils.serving.store import Store;"
        f"Store(Path({str(folder)!r})).current();"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'matplotlib', 'IPython') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with ServerProcess(folder) as running:
        process = psutil.Process(running.pid)
        assert ask(running.url, "/predict", encode(digit()))[0] == 200
        assert sum(process.cpu_times()[:2]) <= 3  # seconds; on a calm machine the wall clock says the same
        assert process.memory_info().rss <= MEMORY


def test_onnx_runtime_reports_to_nobody(folder, tmp_path):
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    code = f"from pathlib import Path; from course_utils.serving.store import Store; Store(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], env={**own, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []  # it keeps the state of its reports there


def test_the_pages_about_itself(running):
    assert ask(running.url, "/health")[1] == {"status": "ok"}
    assert ask(running.url, "/ready")[1]["status"] == "ready"
    assert ask(running.url, "/openapi.json")[1]["openapi"] == "3.1.0"
    status, page, headers = ask(running.url, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (
        "script-src" in headers["content-security-policy"]
        or "default-src 'self'" in headers["content-security-policy"]
    )
    assert b"<html" in page


def test_the_metrics_count_over_all_workers(running):
    def counted() -> float:
        lines = ask(running.url, "/metrics")[1].decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("service_requests_total")
            and 'route="/predict"' in line
            and 'status="200"' in line
        )

    before = counted()
    for number in range(12):
        ask(running.url, "/predict", encode(digit(number)))
    assert counted() == before + 12


def test_the_log_has_a_line_a_request_and_no_picture(server):
    ask(server.url, "/predict", encode(digit()), **{"X-Request-Id": "look-for-me"})
    wait_for(lambda: any("look-for-me" in line for line in list(server.log)))
    [line] = [json.loads(line) for line in list(server.log) if "look-for-me" in line]
    assert (line["route"], line["status"], line["method"]) == ("/predict", 200, "POST")
    assert "a.png" not in "".join(server.log)


class Crowd:
    """Clients that ask without pause, and keep what became of each request.

    They do as a balancer does: a connection that was closed is opened again only if the service is ready.
    """

    def __init__(self, url: str, count: int) -> None:
        self.url, self.done, self.answered, self.lost = url, threading.Event(), 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _ask(self, number: int) -> None:
        data = encode(digit(number))
        connection = connect(self.url)
        while not self.done.is_set():
            try:
                if ask(self.url, "/ready")[0] != 200:
                    return
                connection.connect()
            except OSError:
                continue  # nothing was sent, so nothing is lost
            try:
                while not self.done.is_set():
                    status, _, headers = exchange(connection, "/predict", data)
                    with self.lock:
                        self.answered += status == 200
                    if headers.get("connection", "").lower() == "close":
                        break
            except (OSError, ValueError, http.client.HTTPException) as error:
                with self.lock:
                    self.lost.append(repr(error))
            finally:
                connection.close()

    def stop(self) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join(30)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("count", [1, 2])
def test_sigterm_under_load_loses_no_request(folder, count):
    running = ServerProcess(folder, workers=count)
    crowd = Crowd(running.url, 8)
    wait_for(lambda: crowd.answered > 100)
    os.kill(running.pid, signal.SIGTERM)
    code = running.stop()
    crowd.stop()
    assert code == 0, list(running.log)[-5:]
    assert crowd.lost == []
    assert crowd.answered > 100


@WORKERS
def test_a_killed_worker_loses_only_its_own(folder):
    with ServerProcess(folder, workers=2) as running:
        wait_for(lambda: len(children(running)) == 2)
        before = {process.pid for process in children(running)}
        crowd = Crowd(running.url, 8)
        wait_for(lambda: crowd.answered > 50)
        os.kill(min(before), signal.SIGKILL)
        answered = crowd.answered
        wait_for(lambda: crowd.answered > answered + 200)
        wait_for(lambda: len({process.pid for process in children(running)} - before) == 1)
        crowd.stop()
        assert len(crowd.lost) <= 8  # each client had one request with it at most
        assert ask(running.url, "/ready")[0] == 200


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=WORKERS)])
def test_nothing_outlives_its_owner(folder, count):
    code = (
        "import time; from pathlib import Path; from course_utils.serving.process import ServerProcess;"
        f"running = ServerProcess(Path({str(folder)!r}), workers={count});"
        "print(running.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    started = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert psutil.wait_procs(started, timeout=15)[1] == []


def test_a_version_takes_over_in_the_running_service(folder, tmp_path):
    own = tiny_store(tmp_path / "tiny")
    with ServerProcess(own) as running:

        def version() -> str:
            return str(ask(running.url, "/predict", encode(digit()))[1]["model"]["version"])

        choose_version(own, "2", shadow="1")
        wait_for(lambda: version() == "2")
        assert b"service_shadow_total" in ask(running.url, "/metrics")[1]
        choose_version(own, "1")
        wait_for(lambda: version() == "1")
        (own / "serving.json").write_text('{"serve": "9"}')
        wait_for(lambda: any("refused" in line for line in list(running.log)) or version() == "9")
        assert version() == "1"


@pytest.mark.parametrize("fails", ["prepare", "answers"])
def test_a_shadow_that_fails_reaches_nobody(folder, monkeypatch, capsys, fails):
    main, shadow = (Predictor(bundle.read_bundle(folder / version)) for version in ("1", "2"))

    def broken(*_: object) -> None:
        raise FloatingPointError("of the shadow")

    monkeypatch.setattr(shadow, fails, broken)
    client = create_app(lambda: Served(main, shadow), log=lambda line: None).test_client()
    body, headers = form(encode(digit()))
    answer = client.post("/predict", data=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json["prediction"] == main.classify(digit()).prediction
    assert 'service_shadow_total{agrees="failed"} 1.0' in client.get("/metrics").text
    assert "shadow" in capsys.readouterr().err


def test_too_many_waiting_are_sent_away_and_a_stopping_service_says_so(folder):
    main = Predictor(bundle.read_bundle(folder / "1"))
    state = {"waiting": 0, "stopping": False}
    app = create_app(
        lambda: Served(main, None),
        limits=Limits(waiting=3, retry_s=7),
        waiting=lambda: state["waiting"],
        stopping=lambda: state["stopping"],
        log=lambda line: None,
    )
    client, (body, headers) = app.test_client(), form(encode(digit()))
    for waiting, status in ((3, 200), (4, 503), (0, 200)):
        state["waiting"] = waiting
        for path in ("/predict", "/batch"):
            found = client.post(path, data=body, headers=headers)
            assert found.status_code == status
            assert found.headers.get("Retry-After") == ("7" if status == 503 else None)
    assert client.get("/ready").status_code == 200
    state["stopping"] = True
    assert (client.get("/ready").status_code, client.get("/health").status_code) == (503, 200)


@WORKERS
def test_each_worker_is_small(workers):
    for number in range(40):
        ask(workers.url, "/predict", encode(digit(number)))
    sizes = [process.memory_info().rss for process in children(workers)]
    assert len(sizes) == 2
    assert max(sizes) <= MEMORY, sizes


@WORKERS
def test_counts_of_workers_leave_nothing_and_spare_what_is_not_theirs(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with ServerProcess(folder, workers=2):
        assert any(path.name.startswith("service-counts-") for path in tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
    own = tmp_path / "own"
    own.mkdir()
    (own / "kept.txt").write_text("x")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(own))
    with ServerProcess(folder, workers=2) as running:
        ask(running.url, "/predict", encode(digit()))
    assert (own / "kept.txt").read_text() == "x"


def test_what_cannot_be_served_is_said(tmp_path):
    with pytest.raises(RuntimeError, match="neither a bundle"):
        ServerProcess(tmp_path)


def test_a_taken_port_is_said(server, folder):
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "course_utils.serving", str(folder), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_course_serve_without_a_word_serves_the_digit_reader(tmp_path):
    command = [sys.executable, "-m", "course_utils.tools.cli", "serve", "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout
    lines = []
    while not lines or not lines[-1].startswith("{"):
        lines.append(running.stdout.readline())
        assert lines[-1], "it ended before it served"
    told = json.loads(lines[-1])
    assert told["model"] == {"name": "digits", "version": "1"}
    assert told["pid"] == running.pid
    pixels, labels, _ = load_raw("mnist_5k")
    rows = range(0, 5000, 250)
    answers = [
        ask(told["url"], "/predict", encode(Image.fromarray(pixels[row])))[1]["prediction"] for row in rows
    ]
    assert sum(answer == labels[row] for answer, row in zip(answers, rows, strict=True)) >= 17
    running.terminate()
    assert running.wait(20) == 0
    running.stdout.close()
