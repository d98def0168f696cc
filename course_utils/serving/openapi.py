"""The service's contract as an OpenAPI document: what may be sent, what comes back, and which errors there are."""

from __future__ import annotations

from typing import Any

from course_utils.serving.bundle import Bundle
from course_utils.serving.decode import Limits

TEXT = {"type": "string"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
ERROR = {
    "type": "object",
    "required": ["error", "code", "request_id"],
    "properties": {"error": {**TEXT, "description": "what to do"}, "code": TEXT, "request_id": TEXT},
}
MODEL = {"type": "object", "required": ["name", "version"], "properties": {"name": TEXT, "version": TEXT}}


def document(bundle: Bundle, limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service that answers for a bundle within limits."""
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Picture classifier: {bundle.name}", "version": bundle.version},
        "paths": {
            "/": _get("The page on which a person tries the service", "text/html"),
            "/predict": _post(
                "The class of one picture", {"$ref": "#/components/schemas/Prediction"}, limits, 1
            ),
            "/batch": _post(
                "The classes of several pictures",
                {"$ref": "#/components/schemas/Batch"},
                limits,
                limits.batch,
            ),
            "/health": _get("The process lives", "application/json"),
            "/ready": _get("The service takes requests; 503 while it stops", "application/json", stops=True),
            "/metrics": _get("Counters in Prometheus' text format", "text/plain"),
            "/openapi.json": _get("This document", "application/json"),
        },
        "components": {"schemas": schemas(bundle)},
    }


def schemas(bundle: Bundle) -> dict[str, Any]:
    """Return the JSON Schemas of all answers."""
    answer = {
        "prediction": {"type": "integer", "minimum": 0, "maximum": len(bundle.labels) - 1},
        "label": {"enum": list(bundle.labels)},
        "confidence": SHARE,
        "probabilities": {
            "type": "object",
            "required": list(bundle.labels),
            "additionalProperties": SHARE,
        },
    }
    about = {"model": MODEL, "request_id": TEXT}
    one = {"type": "object", "required": list(answer), "properties": answer}
    refused = {"type": "object", "required": ["error", "code"], "properties": {"error": TEXT, "code": TEXT}}
    return {
        "Prediction": {"type": "object", "required": [*answer, *about], "properties": {**answer, **about}},
        "Batch": {
            "type": "object",
            "required": ["predictions", *about],
            "properties": {"predictions": {"type": "array", "items": {"anyOf": [one, refused]}}, **about},
        },
        "Error": ERROR,
    }


def _get(summary: str, kind: str, *, stops: bool = False) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": summary, "content": {kind: {}}}}
    return {"get": {"summary": summary, "responses": {**answers, **(_errors("503") if stops else {})}}}


def _post(summary: str, schema: dict[str, Any], limits: Limits, most: int) -> dict[str, Any]:
    picture: dict[str, Any] = {"type": "string", "format": "binary"}
    field = picture if most == 1 else {"type": "array", "items": picture, "minItems": 1, "maxItems": most}
    form = {"type": "object", "required": ["image"], "properties": {"image": field}}
    content = {"schema": form, "encoding": {"image": {"contentType": "image/png"}}}
    return {
        "post": {
            "summary": summary,
            "description": f"At most {limits.body_bytes:,} bytes, and {limits.pixels:,} pixels a picture: "
            "PNG, JPEG, WebP, GIF or BMP.",
            "requestBody": {"required": True, "content": {"multipart/form-data": content}},
            "responses": {
                "200": {"description": summary, "content": {"application/json": {"schema": schema}}},
                **_errors("400", "413", "415", "503"),
            },
        }
    }


def _errors(*statuses: str) -> dict[str, Any]:
    told = {
        "400": "damaged or missing",
        "413": "too large",
        "415": "no picture",
        "503": "overloaded or stopping",
    }
    schema = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": told[status], "content": schema} for status in statuses}
