"""The service keeps its contract: schemathesis sends what the OpenAPI document says, hypothesis any bytes."""

from __future__ import annotations

import os

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance
from service_tools import ask, connect, digit, encode, exchange, tiny_bundle

from course_utils.serving.process import ServerProcess

REQUESTS = int(os.environ.get("COURSE_REQUESTS", "2000"))
"""In all, at least; `make e2e` asks for more."""
SHARE = {"/predict": 0.45, "/batch": 0.25}
WHOLE = [encode(digit(seed), kind) for seed in range(4) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")]
PICTURES = st.one_of(
    st.sampled_from(WHOLE),
    st.binary(max_size=300),
    st.builds(lambda data, cut: data[:cut], st.sampled_from(WHOLE), st.integers(0, 400)),
    st.builds(
        lambda data, place, value: data[: place % len(data)] + bytes([value]) + data[place % len(data) + 1 :],
        st.sampled_from(WHOLE),
        st.integers(0, 10**6),
        st.integers(0, 255),
    ),
)
schemathesis.openapi.media_type("image/png", PICTURES)
QUICK = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with ServerProcess(tiny_bundle(tmp_path_factory.mktemp("contract") / "1").folder) as running:
        yield running
        statuses = [
            line for line in ask(running.url, "/metrics")[1].decode().splitlines() if 'status="5' in line
        ]
        assert statuses == []  # of all requests of this file
        assert running.stop() == 0


def test_what_the_document_says(server):
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    sent = {"count": 0, "answered": 0}
    for operation in schema.get_all_operations():
        found = operation.ok()
        share = SHARE.get(found.path, 0.01)

        @settings(max_examples=max(5, int(REQUESTS * share)), **QUICK)
        @given(case=found.as_strategy())
        def check(case):
            response = case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=20)
            sent["count"] += 1
            sent["answered"] += response.status_code == 200 and case.method == "POST"

        check()
    assert sent["count"] >= 0.6 * REQUESTS
    assert sent["answered"] >= 0.1 * REQUESTS  # real pictures were among them


def test_any_bytes_get_an_answer_and_no_memory(server):
    connection = connect(server.url)
    process = psutil.Process(server.pid)
    sizes = []

    @settings(max_examples=int(REQUESTS * 0.45), **QUICK)
    @given(
        body=st.binary(max_size=3000) | PICTURES,
        path=st.sampled_from(["/predict", "/batch"]),
        kind=st.sampled_from(
            [
                *("multipart/form-data; boundary=B", "multipart/form-data", "application/json", ""),
                *(
                    "application/x-www-form-urlencoded",
                    "image/png",
                    "multipart/form-data; boundary=" + "x" * 200,
                ),
            ]
        ),
        wrap=st.booleans(),
    )
    def send(body, path, kind, wrap):
        if wrap:
            status, found, _ = exchange(connection, path, body)
        else:
            connection.request("POST", path, body, {"Content-Type": kind})
            response = connection.getresponse()
            response.read()
            status, found = response.status, {}
        assert status == 200 or 400 <= status < 500, found
        sizes.append(process.memory_info().rss)

    send()
    connection.close()
    third = len(sizes) // 3
    assert max(sizes[-third:]) <= 1.05 * max(sizes[:third])
    assert ask(server.url, "/predict", WHOLE[0])[0] == 200
