"""The container's steps, executed in a clean folder: there is no builder here, so each is done as the file says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from service_tools import ask, digit, encode, tiny_store

from course_utils import ROOT
from course_utils.serving.process import ServerProcess

DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]


def steps(kind: str) -> list[str]:
    return [rest for word, rest in STEPS if word == kind]


def test_the_image_is_pinned_small_and_not_root():
    images = {rest.split()[0] for rest in steps("FROM")}
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image) for image in images)
    order = [word for word, _ in STEPS]
    assert order.index("USER") < order.index("CMD")
    assert steps("USER") != ["root"]
    assert steps("STOPSIGNAL") == ["SIGTERM"]
    assert len(steps("HEALTHCHECK")) == 1


def test_what_is_copied_is_there_and_not_ignored():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copied in steps("COPY"):
        for name in copied.split()[:-1] if not copied.startswith("--from") else []:
            assert any(name == entry or name.startswith(f"{entry}/") for entry in allowed), name
            assert (ROOT / name).exists() or name.startswith("build/")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the build stage does: copy, make the environment, install."""
    folder = tmp_path_factory.mktemp("image")
    for copied in steps("COPY"):
        *names, target = copied.split()
        if copied.startswith("--from") or names[0].startswith("build/"):
            continue
        for name in names:
            place = (
                folder / target.lstrip("/")
                if not target.endswith("/")
                else folder / target.lstrip("/") / name
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, place)
    make, install = (shlex.split(step) for step in steps("RUN")[:2])
    in_folder = [
        word.replace("/venv", f"{folder}/venv").replace("/course", f"{folder}/course") for word in install
    ]
    assert make == ["python", "-m", "venv", "/venv"]
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    uv = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--python",
        in_folder[0],
    ]  # as pip, in a third of the time
    words = [word for word in in_folder[4:] if word != "--no-cache-dir"]
    done = subprocess.run([*uv, *words], capture_output=True, text=True)
    if "No module named uv" in done.stderr:
        done = subprocess.run(in_folder, capture_output=True, text=True)
    if done.returncode and re.search(
        r"network|connect|dns|resolve host|Failed to fetch", done.stderr, re.IGNORECASE
    ):
        pytest.skip("needs a package index")
    assert done.returncode == 0, done.stderr
    return folder / "venv"


def test_the_installed_service_answers_without_torch(venv, tmp_path):
    store = tiny_store(tmp_path / "bundle")
    for path in [*store.rglob("*"), store]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    listed = subprocess.run(
        [
            python,
            "-c",
            "from importlib.metadata import distributions as d; print(*(x.name.lower() for x in d()))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "torchvision", "jupyterlab", "pandas", "transformers"} & set(listed)
    command = json.loads(steps("CMD")[0])
    assert command[:3] == ["/venv/bin/python", "-m", "course_utils.serving"]
    words = [str(store) if word == "/bundle" else word for word in command[3:]]
    words[words.index("--host") + 1], words[words.index("--port") + 1] = "127.0.0.1", "0"
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COVERAGE_RUN")}
    running = subprocess.Popen(
        [python, "-m", "course_utils.serving", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env={**own, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert running.stdout
        url = json.loads(running.stdout.readline())["url"]
        assert ask(url, "/predict", encode(digit()))[0] == 200
        assert b"<html" in ask(url, "/")[1]  # the page was installed too
        check = re.search(r"CMD (\[.+\])$", steps("HEALTHCHECK")[0])
        assert check
        healthy = [word.replace("http://127.0.0.1:8000", url) for word in json.loads(check[1])]
        assert subprocess.run([python, *healthy[1:]]).returncode == 0
    finally:
        running.terminate()
        code = running.wait(30)
        running.stdout.close()
    assert code == 0
    assert subprocess.run([python, *healthy[1:]], stderr=subprocess.DEVNULL).returncode == 1


def test_compose_runs_two_replicas_and_watches_them():
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    replicas = {name: service for name, service in found.items() if service["image"] == "digits"}
    assert len(replicas) == 2
    for service in replicas.values():
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        dockerfile = DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]
        assert dockerfile.resolve() == DEPLOY / "Dockerfile"
    assert all("ALL" in each["cap_drop"] for each in found.values())
    assert not [each["image"] for each in found.values() if each["image"].endswith("latest")]
    targets = [f"{name}:8000" for name in replicas]
    assert found["balancer"]["environment"]["REPLICAS"].split() == targets
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape["static_configs"] == [{"targets": targets}]


@pytest.mark.skipif(
    not shutil.which("caddy"), reason="no Caddy here: `apt-get install caddy`, `brew install caddy`"
)
def test_the_balancer_loses_nothing_when_a_replica_stops(tmp_path):
    store = tiny_store(tmp_path / "bundle")
    with ServerProcess(store) as first, ServerProcess(store) as second, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        replicas = " ".join(server.url.removeprefix("http://") for server in (first, second))
        own = {**os.environ, "PORT": str(port), "REPLICAS": replicas, "XDG_DATA_HOME": str(tmp_path)}
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
        balancer = subprocess.Popen(
            command,
            env={**own, "XDG_CONFIG_HOME": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            until = time.monotonic() + 20
            while not _answers(url) and time.monotonic() < until:
                time.sleep(0.1)
            with ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(ask, url, "/predict", encode(digit(turn))) for turn in range(600)]
                asked[100].result()
                os.kill(first.pid, signal.SIGTERM)
                statuses = [each.result()[0] for each in asked]
        finally:
            balancer.terminate()
            balancer.wait(20)
        assert statuses == [200] * 600
        assert first.stop() == 0
        assert any('"/predict"' in line for line in list(second.log))


def _answers(url: str) -> bool:
    try:
        return ask(url, "/ready")[0] == 200
    except OSError:
        return False


def test_the_page_names_every_metric():
    from course_utils.serving.metrics import Metrics

    told = (DEPLOY / "README.md").read_text(encoding="utf-8")
    families = {family.name: family.type for family in Metrics().registry.collect()}
    for name, kind in families.items():
        assert f"`{name}{'_total' if kind == 'counter' else ''}" in told
