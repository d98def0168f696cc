"""What is read from outside of a running service, with a real one."""

import os

from service_tools import ask, digit, encode, tiny_store

from course_utils.recipes import load, releases, watching
from course_utils.serving.process import ServerProcess


def test_a_page_is_read_twice_and_the_process_is_seen_until_it_ends(tmp_path):
    png = encode(digit())
    with ServerProcess(tiny_store(tmp_path / "tiny")) as service:
        first = watching.read_page(service.url)
        ask(service.url, "/predict", png)
        second = watching.read_page(service.url)
        counts = [
            sum(line.value for line in watching.lines_of(page) if line.name == "service_predictions_total")
            for page in (first, second)
        ]
        assert counts == [0, 1]
        assert second.read_at > first.read_at
        assert 20 < watching.megabytes(service.pid) < 300
        assert 0.1 < service.seconds < 60
        assert watching.still_running([service.pid, os.getpid()]) == 2
    assert watching.still_running([service.pid, os.getpid()]) == 1


def test_a_version_goes_there_and_back_under_load(tmp_path):
    store = tiny_store(tmp_path / "tiny")
    with ServerProcess(store) as service:
        with releases.there_and_back(service, store, to="2", back="1", after=0.1, seconds=0.4):
            found = load.open_loop(service.url, [load.form(encode(digit()))], rate=40, seconds=2)
        versions = [
            reply.body.count(b'"version": "2"') + reply.body.count(b'"version":"2"')
            for reply in found.replies
        ]
    assert found.unanswered() == 0
    assert versions[0] == versions[-1] == 0
    assert sum(versions) > 0
