"""The service against the guide's app, on two networks, as ratios in one run.

A real load generator (wrk: in every Linux distribution, needs a fraction of the CPU of one in Python) sends the same
picture to all servers of a network in turn, round after round, with 1, 4, 16 and 64 clients. Beside the rate stands
the CPU time of a request, summed over the server's processes: it depends on what else the machine does far less.
"""

from __future__ import annotations

import cProfile
import io
import platform
import pstats
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from PIL import Image

from course_utils import export
from course_utils.data.digits import load_raw
from course_utils.models import transfer
from course_utils.recipes.digit_bundle import make_digit_bundle
from course_utils.serving import bundle
from course_utils.serving.app import Served, create_app
from course_utils.serving.predictor import Predictor
from course_utils.serving.preprocess import Preprocessing
from course_utils.serving.process import ServerProcess
from course_utils.tools.execution.watch import hardware

CLIENTS, HELD_AT, ROUNDS, SECONDS = (1, 4, 16, 64), 16, 3, 1
GUIDE, ONE, TWO = "the guide's app", "service, 1 process", "service, 2 workers"
LEAST = {("emoji", ONE): 5.0, ("digits", ONE): 1.5, ("digits", TWO): 3.0}
START_S = 60.0
MOST_GROWTH = 3.0
WIDTHS = (8, 12, 9, 7, 8, 8, 8)
SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=B"
wrk.body = "{body}"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.status + e.connect + e.read + e.write + e.timeout))
end
"""


class Load(NamedTuple):
    """What one server did under one load: requests a second, ms at the 50th and 99th percentile, CPU-ms a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def picture(name: str) -> bytes:
    """Return a real picture of a network's kind, as PNG."""
    if name == "digits":
        image = Image.fromarray(load_raw("mnist_5k")[0][7])
    else:
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def body(png: bytes) -> bytes:
    """Return a multipart form with the picture in its field `image`."""
    head = 'Content-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png'
    return b"--B\r\n" + head.encode() + b"\r\n\r\n" + png + b"\r\n--B--\r\n"


def load(url: str, script: Path, clients: int, pid: int) -> Load:
    """Put one server under load with wrk and return what it did; every answer must be a success."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    before = sum(sum(process.cpu_times()[:2]) for process in tree)
    command = ["wrk", "-t1", f"-c{clients}", f"-d{SECONDS}s", "-s", str(script), f"{url}/predict"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = sum(sum(process.cpu_times()[:2]) for process in tree) - before
    [line] = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    count, micros, p50, p99, failed = map(int, line.split()[1:])
    if failed or not count:
        raise SystemExit(f"{url} with {clients} clients: {failed} of {count} requests failed")
    return Load(count / micros * 1e6, p50 / 1e3, p99 / 1e3, 1e3 * spent / count)


@contextmanager
def guide_server(name: str) -> Iterator[tuple[str, int]]:
    """Start the guide's app as a process; give its address and process number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("guide_service.py")), name, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"the guide's app did not start ({process.poll()})") from error
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def emoji_bundle(folder: Path) -> Path:
    """Write a bundle of EfficientNet-Lite0 with nine classes, the very network that the guide's app has."""
    torch.manual_seed(0)
    model = transfer.create_transfer_model(9, backbone="efficientnet_lite0").eval()
    graph = folder / "emoji.onnx"
    export.export_to_onnx(model, torch.randn(2, 3, 96, 96), str(graph))
    made = bundle.write_bundle(
        folder / "emoji",
        name="emoji",
        version="1",
        files={"model.onnx": graph},
        labels=[f"group {number}" for number in range(9)],
        preprocessing=Preprocessing("RGB", 96, "resize", (0.5,) * 3, (0.5,) * 3),
        metrics={},
        versions={"torch": torch.__version__},
        data={},
        licence="Apache-2.0",
    )
    return made.folder


def compare(name: str, made: Path, folder: Path) -> list[str]:
    """Load all servers of a network in turn, print the table, and return what is below its bound."""
    script = folder / f"{name}.lua"
    script.write_text(SCRIPT.format(body="".join(f"\\{byte:03d}" for byte in body(picture(name)))))
    seen: dict[tuple[str, int], list[Load]] = {}
    with ExitStack() as running:
        servers = {GUIDE: running.enter_context(guide_server(name))}
        for arm, workers in ((ONE, 1), (TWO, 2)):
            if (name, arm) in LEAST:
                process = running.enter_context(ServerProcess(made, workers=workers))
                servers[arm] = (process.url, process.pid)
        for url, pid in servers.values():
            load(url, script, HELD_AT, pid)  # warms up
        for _ in range(ROUNDS):
            for clients in CLIENTS:
                for arm, (url, pid) in servers.items():
                    seen.setdefault((arm, clients), []).append(load(url, script, clients, pid))
    return report(name, list(servers), seen)


def report(name: str, arms: list[str], seen: dict[tuple[str, int], list[Load]]) -> list[str]:
    """Print a network's table; return what is below its bound."""
    print(f"\n{name}: medians of {ROUNDS} interleaved rounds of {SECONDS} s")
    columns = zip(
        ("clients", "requests/s", "× guide", "least", "p50 ms", "p99 ms", "CPU-ms"), WIDTHS, strict=True
    )
    print(" " * 22 + "".join(f"{word:>{width}s}" for word, width in columns))
    broken = []
    for clients in CLIENTS:
        for arm in arms:
            runs = seen[arm, clients]
            rate, p50, p99, cpu = (statistics.median(values) for values in zip(*runs, strict=True))
            ratios = [run.rate / base.rate for run, base in zip(runs, seen[GUIDE, clients], strict=True)]
            ratio = statistics.median(ratios)
            print(
                f"{arm:22s}{clients:8d}{rate:12.0f}{ratio:9.2f}{min(ratios):7.2f}{p50:8.1f}{p99:8.1f}{cpu:8.2f}"
            )
            least = LEAST.get((name, arm))
            if clients == HELD_AT and least and ratio < least:
                broken.append(f"{name}, {arm}: {ratio:.2f} times the guide's rate, expected at least {least}")
            base = statistics.median(run.p99 for run in seen[GUIDE, clients])
            if clients == HELD_AT and arm != GUIDE and p99 >= base:
                broken.append(f"{name}, {arm}: p99 {p99:.1f} ms, expected below the guide's {base:.1f} ms")
    alone, crowded = (
        statistics.median(run.cpu for run in seen[ONE, clients]) for clients in (1, CLIENTS[-1])
    )
    if crowded > MOST_GROWTH * alone:  # a loop that turns without work shows here first
        broken.append(
            f"{name}: {crowded:.2f} CPU-ms a request with {CLIENTS[-1]} clients, {alone:.2f} with one"
        )
    return broken


def where_time_goes(made: Path) -> None:
    """Print where a request to the digit service spends its time, from a profile of one thread."""
    predictor = Predictor(bundle.read_bundle(made))
    client = create_app(lambda: Served(predictor, None), log=lambda line: None).test_client()
    png = picture("digits")
    profile = cProfile.Profile()
    for turn in range(600):
        if turn == 100:
            profile.enable()
        client.post("/predict", data={"image": (io.BytesIO(png), "a.png")})
    profile.disable()
    shares = {"the network": 0.0, "decoding the picture": 0.0, "HTTP: parsing, routing, answering": 0.0}
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        where = f"{file} {function}"
        if "werkzeug/test" in where or ("python3" in where and "/http/client" in where):
            continue  # the test's client
        if "onnxruntime" in where:
            shares["the network"] += own
        elif any(word in where for word in ("PIL", "ImagingDecoder", "preprocess", "centring", "decode.py")):
            shares["decoding the picture"] += own
        else:
            shares["HTTP: parsing, routing, answering"] += own
    total = sum(shares.values())
    print("\nwhere a request to the digit service spends its time (own time in a profile, client left out)")
    for part, seconds in shares.items():
        print(f"{part:36s}{seconds / total:5.0%}  {'█' * round(40 * seconds / total)}")


def main() -> None:
    """Run all, then say what is below its bound."""
    torch.set_num_threads(1)
    print(f"{hardware()}, Python {platform.python_version()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        broken: list[str] = []
        digits = make_digit_bundle(folder / "digits", precision="fp32")
        where_time_goes(digits)
        if shutil.which("wrk"):
            broken += compare("digits", digits, folder)
            broken += compare("emoji", emoji_bundle(folder), folder)
        else:
            print(
                "\nno wrk on this machine (`apt-get install wrk`, `brew install wrk`): the servers are not compared"
            )
    if broken:
        raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
