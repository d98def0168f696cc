"""The app: routes, limits, errors that say what to do, one line of log a request. A factory makes it."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, g, request, send_from_directory
from werkzeug.exceptions import HTTPException

from course_utils.serving import openapi
from course_utils.serving.decode import Limits, Refused, open_picture
from course_utils.serving.metrics import CONTENT_TYPE, Metrics
from course_utils.serving.predictor import Answer, Predictor
from course_utils.serving.preprocess import Floats

STATIC = Path(__file__).parent / "static"
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
NO_IMAGE = "No image provided: send the picture as multipart/form-data, in the field `image`."
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


Prepared = tuple[Floats, Floats | None]  # a picture as the main version reads it, and as the shadow does


class Served(NamedTuple):
    """The version that answers, and one that only listens, or None."""

    main: Predictor
    shadow: Predictor | None


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


def create_app(
    current: Callable[[], Served],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    metrics: Metrics | None = None,
    waiting: Callable[[], int] = lambda: 0,
    stopping: Callable[[], bool] = lambda: False,
    log: Callable[[str], None] = _to_stderr,
) -> Flask:
    """Return the app; nothing of it is global, so tests make as many as they like.

    Args:
        current: Gives the versions to ask; called once a request, so that they can change while it runs.
        limits: What it takes on.
        metrics: What it counts; its own if None.
        waiting: How many requests wait for a thread now.
        stopping: Whether the process is about to end.
        log: Takes one line of JSON a request: never a picture, never a file's name.

    See: chapter 06, "From script to service".
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # a doubled slash is an error, not a redirection to a page of HTML
    app.config.update(MAX_CONTENT_LENGTH=limits.body_bytes, MAX_FORM_PARTS=4 * limits.batch)
    counted = metrics or Metrics()
    _time_and_log(app, counted, log)
    _answer_errors(app, counted, limits)
    _pages(app, counted, current, limits, stopping)

    def admit() -> None:
        if waiting() > limits.waiting:
            raise Refused(
                503, "overloaded", "The service has more requests than it can answer: try again in a second."
            )

    @app.post("/predict")
    def predict() -> Response:
        admit()
        served = current()
        files = request.files.getlist("image")
        if len(files) > 1:
            raise Refused(
                400, "several_pictures", f"Got {len(files)} pictures, expected one: send them to /batch."
            )
        if not files:
            raise Refused(400, "no_image", NO_IMAGE)
        [answer] = _answers(counted, served, [_prepared(files[0].read(), served, limits)])
        return _json({**_told(answer, served.main), "model": served.main.about(), "request_id": g.request_id})

    @app.post("/batch")
    def batch() -> Response:
        admit()
        served = current()
        files = request.files.getlist("image")
        if not files:
            raise Refused(400, "no_image", NO_IMAGE)
        if len(files) > limits.batch:
            raise Refused(
                413, "too_many_pictures", f"Got {len(files)} pictures, expected at most {limits.batch}."
            )
        opened = [_prepared_or_not(file.read(), served, limits) for file in files]
        left = iter(_answers(counted, served, [each for each in opened if not isinstance(each, Refused)]))
        told = [
            {"error": found.message, "code": found.code}
            if isinstance(found, Refused)
            else _told(next(left), served.main)
            for found in opened
        ]
        return _json({"predictions": told, "model": served.main.about(), "request_id": g.request_id})

    return app


def _pages(
    app: Flask, counted: Metrics, current: Callable[[], Served], limits: Limits, stopping: Callable[[], bool]
) -> None:
    @app.get("/")
    def page() -> Response:
        return send_from_directory(STATIC, "index.html")

    @app.get("/static/<path:name>")
    def static(name: str) -> Response:
        return send_from_directory(STATIC, name)

    @app.get("/health")
    def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/ready")
    def ready() -> Response:
        if stopping():
            raise Refused(503, "stopping", "The service is about to stop: ask another one.")
        return _json({"status": "ready", "model": current().main.about()})

    @app.get("/metrics")
    def page_of_metrics() -> Response:
        return Response(counted.page(), content_type=CONTENT_TYPE)

    @app.get("/openapi.json")
    def contract() -> Response:
        return _json(openapi.document(current().main.bundle, limits))


def _time_and_log(app: Flask, counted: Metrics, log: Callable[[str], None]) -> None:
    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        asked = request.headers.get("X-Request-Id", "")
        g.request_id = asked if SAFE_ID.fullmatch(asked) else secrets.token_hex(8)
        g.code = ""

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "none"
        counted.requests.labels(route, str(response.status_code)).inc()
        counted.seconds.labels(route).observe(seconds)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = g.request_id
        line = {"time": round(time.time(), 3), "id": g.request_id, "method": request.method, "route": route}
        told = {"status": response.status_code, "ms": round(1e3 * seconds, 2)}
        told["bytes"] = request.content_length or 0
        log(json.dumps({**line, **told, **({"code": g.code} if g.code else {})}))
        return response


def _answer_errors(app: Flask, counted: Metrics, limits: Limits) -> None:
    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        response = _error(counted, error.status, error.code, error.message)
        if error.status == 503:
            response.headers["Retry-After"] = str(limits.retry_s)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        code = re.sub(r"\W+", "_", error.name.lower())
        told = {
            404: f"There is nothing at {request.path[:100]}: /openapi.json lists what there is.",
            405: f"{request.method[:20]} does not go here: /openapi.json says how to ask.",
            413: f"The request is larger than {limits.body_bytes:,} bytes: send a smaller picture.",
        }.get(status, f"{error.description or error.name} See /openapi.json for what may be sent.")
        response = _error(counted, status, code, told)
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        sys.stderr.write(json.dumps({"id": g.request_id, "exception": repr(error)[:500]}) + "\n")
        return _error(counted, 500, "internal", "The service made a mistake; its log has this request's id.")


def _error(counted: Metrics, status: int, code: str, message: str) -> Response:
    g.code = code
    counted.refused.labels(code).inc()
    return _json({"error": message, "code": code, "request_id": g.request_id}, status)


def _prepared(data: bytes, served: Served, limits: Limits) -> Prepared:
    """Return what the versions need of a picture; the picture itself is not kept."""
    image = open_picture(data, limits)
    other = None
    with contextlib.suppress(Exception):  # what the shadow cannot prepare is counted in `_listen`
        other = served.shadow.prepare(image) if served.shadow else None
    return served.main.prepare(image), other


def _prepared_or_not(data: bytes, served: Served, limits: Limits) -> Prepared | Refused:
    try:
        return _prepared(data, served, limits)
    except Refused as error:
        return error


def _answers(counted: Metrics, served: Served, prepared: list[Prepared]) -> list[Answer]:
    """Return the main version's answers, counted and compared with the shadow's."""
    if not prepared:
        return []
    answers = served.main.answers([mine for mine, _ in prepared])
    for answer in answers:
        counted.predictions.labels(served.main.bundle.version, answer.label).inc()
        counted.confidence.observe(answer.confidence)
    if served.shadow:
        _listen(counted, answers, served.shadow, [other for _, other in prepared])
    return answers


def _listen(
    counted: Metrics, answers: list[Answer], shadow: Predictor, prepared: list[Floats | None]
) -> None:
    """Count where the shadow agrees. Whatever happens to it is counted too, and never reaches a client."""
    try:
        found = shadow.answers([each for each in prepared if each is not None])
        same = [answer.label == other.label for answer, other in zip(answers, found, strict=True)]
    except Exception as error:
        counted.shadow.labels("failed").inc(len(answers))
        sys.stderr.write(json.dumps({"id": g.request_id, "shadow": repr(error)[:500]}) + "\n")
        return
    for agrees in same:
        counted.shadow.labels("yes" if agrees else "no").inc()


def _told(answer: Answer, predictor: Predictor) -> dict[str, Any]:
    return {
        "prediction": answer.prediction,
        "confidence": answer.confidence,
        "label": answer.label,
        "probabilities": dict(zip(predictor.bundle.labels, answer.probabilities, strict=True)),
    }


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, content_type="application/json")
