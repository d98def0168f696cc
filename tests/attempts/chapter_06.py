"""Answers to the exercises of chapter 06 as learners write them; the most telling mistakes are in the package."""

import hashlib
import io
import math
import re

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from scipy import special, stats


def digest(path):
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(64), b""):
            hasher.update(block)
    return hasher.hexdigest()


def changed_by_loops(folder, expected):
    changed = []
    for name, value in expected.items():
        path = folder / name
        if not path.exists() or digest(path) != value:
            changed.append(name)
    for path in folder.glob("*"):
        if path.name not in expected:
            changed.append(path.name)
    changed.sort()
    return changed


def changed_by_sets(folder, expected):
    here = {(path.name, digest(path)) for path in folder.iterdir() if path.is_file()}
    return sorted({name for name, _ in here ^ set(expected.items())})


def changed_as_tuple(folder, expected):
    return tuple(changed_by_loops(folder, expected))


def upload_by_verify(data, max_bytes, max_pixels):
    if len(data) > max_bytes:
        return 413
    if len(data) == 0:
        return 400
    try:
        image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        return 413
    except Exception:
        return 415
    if image.format not in {"PNG", "JPEG", "GIF"}:
        return 415
    if np.prod(image.size) > max_pixels:
        return 413
    try:
        image.convert("RGB")
    except Exception:
        return 400
    return 200


def upload_by_first_bytes(data, max_bytes, max_pixels):
    if len(data) > max_bytes:
        return 413
    if not data:
        return 400
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")):
        return 415
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            return 413
        image.load()
    except Image.DecompressionBombError:
        return 413
    except Exception:
        return 400
    return 200


def upload_without_pillows_limit(data, max_bytes, max_pixels):
    Image.MAX_IMAGE_PIXELS = None  # ours is stricter
    if not 0 < len(data) <= max_bytes:
        return 413 if data else 400
    try:
        image = Image.open(io.BytesIO(data), formats=("GIF", "PNG", "JPEG"))
    except UnidentifiedImageError:
        return 415
    if image.width * image.height > max_pixels:
        return 413
    try:
        np.asarray(image)
    except Exception:
        return 400
    return 200


def upload_with_more_kinds(*kinds):
    def check(data, max_bytes, max_pixels):
        if not 0 < len(data) <= max_bytes:
            return 413 if data else 400
        try:
            image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF", *kinds])
        except UnidentifiedImageError:
            return 415
        except Image.DecompressionBombError:
            return 413
        if image.width * image.height > max_pixels:
            return 413
        try:
            image.load()
        except Exception:
            return 400
        return 200

    return check


def upload_of_one_frame(data, max_bytes, max_pixels):
    status = upload_by_verify(data, max_bytes, max_pixels)
    moves = status == 200 and getattr(Image.open(io.BytesIO(data)), "is_animated", False)
    return 415 if moves else status


def gap_at(values):
    """Look at some values only."""
    return lambda a, b: max(
        abs(sum(x <= v for x in a) / len(a) - sum(x <= v for x in b) / len(b)) for v in values(a, b)
    )


def softmax_of(change):
    def answer(scores):
        powers = np.exp(change(scores))
        return int(scores.argmax()), (powers / powers.sum()).max()

    return answer


def distance_by_loops(reference, window):
    largest = 0.0
    for value in [*reference, *window]:
        first = sum(x <= value for x in reference) / len(reference)
        second = sum(x <= value for x in window) / len(window)
        largest = max(largest, abs(first - second))
    return largest


def distance_by_numpy(reference, window):
    first, second = np.sort(reference), np.sort(window)
    every = np.concatenate([first, second])
    below = [np.searchsorted(part, every, side="right") / len(part) for part in (first, second)]
    return np.abs(below[0] - below[1]).max()


def rates_by_expression(before, after, seconds):
    line = re.compile(r"^(service_\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)

    def read(page):
        found = {}
        for name, labels, value in line.findall(page):
            if 'route="/predict"' in labels:
                status = re.search(r'status="(\d)', labels)
                key = (name, status[1] if status else "")
                found[key] = found.get(key, 0) + float(value)
        return found

    early, late = read(before), read(after)
    grown = {key: value - early.get(key, 0) for key, value in late.items()}
    asked = sum(value for (name, _), value in grown.items() if name == "service_requests_total")
    failed = grown.get(("service_requests_total", "5"), 0)
    mean = grown["service_request_seconds_sum", ""] / grown["service_request_seconds_count", ""]
    return [asked / seconds, failed / asked, mean]


def quantised_by_loops(values, low, high):
    low, high = min(low, 0), max(high, 0)
    scale = (high - low) / 255
    zero = round(-low / scale)
    result = []
    for value in values:
        stored = round(float(value) / scale) + zero
        stored = max(0, min(255, stored))
        result.append(scale * (stored - zero))
    return result


RIGHT = {
    "6.1": [
        changed_by_loops,
        changed_by_sets,
        changed_as_tuple,
        lambda folder, expected: np.array(changed_by_loops(folder, expected), dtype=str),
    ],
    "6.2": [
        lambda a, b: (np.max(np.abs(a - b)), np.mean(np.argmax(a, 1) == np.argmax(b, 1))),
        lambda a, b: [
            abs(a - b).max(),
            sum(x.argmax() == y.argmax() for x, y in zip(a, b, strict=True)) / len(a),
        ],
        lambda a, b: (
            (torch.as_tensor(a) - torch.as_tensor(b)).abs().max(),
            (torch.as_tensor(a).argmax(1) == torch.as_tensor(b).argmax(1)).float().mean(),
        ),
        lambda a, b: np.array([abs(a - b).max(), (a.argmax(1) == b.argmax(1)).mean()]),
    ],
    "6.3": [
        quantised_by_loops,
        lambda v, low, high: torch.as_tensor(quantised_by_loops(v, low, high)),
    ],
    "6.4": [
        lambda s: (int(np.argmax(s)), 1 / np.exp(s - np.max(s)).sum()),
        lambda s: (torch.as_tensor(s).argmax(), torch.as_tensor(s).softmax(0).max()),
        lambda s: [max(range(len(s)), key=lambda i: s[i]), 1 / sum(math.exp(x - max(s)) for x in s)],
        lambda s: (s.argmax(), np.exp(s.max() - special.logsumexp(s))),
        lambda s: torch.tensor([s.argmax(), special.softmax(s).max()]),
    ],
    "6.5": [
        lambda times, share: np.percentile(times, 100 * share, method="inverted_cdf"),
        lambda times, share: next(
            t for t in sorted(times) if sum(x <= t for x in times) >= share * len(times)
        ),
        lambda times, share: np.sort(times)[int(np.ceil(len(times) * share)) - 1],
    ],
    "6.6": [upload_by_verify, upload_by_first_bytes, upload_without_pillows_limit, upload_with_more_kinds()],
    "6.8": [
        distance_by_loops,
        distance_by_numpy,
        lambda a, b: stats.ks_2samp(a, b, method="asymp").statistic,
    ],
    "6.7": [
        rates_by_expression,
        lambda *given: np.array(rates_by_expression(*given)),
        lambda *given: torch.tensor(rates_by_expression(*given)),
    ],
}

WRONG = {
    "6.1": [
        lambda folder, expected: [],
        lambda folder, expected: sorted(expected),
        lambda folder, expected: changed_by_loops(folder, expected)[::-1],
        lambda folder, expected: set(changed_by_loops(folder, expected)),
        lambda folder, expected: len(changed_by_loops(folder, expected)),
        lambda folder, expected: bool(changed_by_loops(folder, expected)),
        lambda folder, expected: [folder / name for name in changed_by_loops(folder, expected)],
        lambda folder, expected: sorted(set(changed_by_loops(folder, expected)) & set(expected)),
        lambda folder, expected: (
            [name for name in expected if name in changed_by_loops(folder, expected)]
            + [path.name for path in folder.iterdir() if path.name not in expected]
        ),
        lambda folder, expected: sorted(
            path.name for path in folder.iterdir() if digest(path) not in expected.values()
        ),
    ],
    "6.2": [
        lambda a, b: (abs(a - b).mean(), (a.argmax(1) == b.argmax(1)).mean()),
        lambda a, b: (abs(a - b).max(), (a.argmax(1) == b.argmax(1)).sum()),
        lambda a, b: (abs(a - b).max(), (a.argmax(0) == b.argmax(0)).mean()),
        lambda a, b: (abs(a - b).max(), (a.max(1) == b.max(1)).mean()),
        lambda a, b: ((a.argmax(1) == b.argmax(1)).mean(), abs(a - b).max()),
        lambda a, b: abs(a - b).max(),
        lambda a, b: (abs(a - b).max(), 1.0),
        lambda a, b: (abs(a - b).sum(), (a.argmax(1) == b.argmax(1)).mean()),
    ],
    "6.3": [
        lambda v, low, high: v,
        lambda v, low, high: np.round(v),
        lambda v, low, high: np.array(quantised_by_loops(v, -max(-low, high), max(-low, high))),
        lambda v, low, high: np.array(quantised_by_loops(v, v.min(), v.max())),
        lambda v, low, high: (high - low) / 256 * np.round(v / ((high - low) / 256)),
        lambda v, low, high: np.floor(v / ((high - low) / 255)) * (high - low) / 255,
    ],
    "6.4": [
        lambda s: (int(s.argmax()), s.max()),
        lambda s: (int(s.argmin()), 1 / np.exp(s - s.max()).sum()),
        lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(),
        lambda s: (1 / np.exp(s - s.max()).sum(), int(s.argmax())),
        lambda s: (int(s.argmax()), 1.0),
        lambda s: (int(s.argmax()), np.exp(s - s.max()).max()),
        softmax_of(lambda s: s - s.min()),
        softmax_of(lambda s: s - s.mean()),
        softmax_of(lambda s: s - np.median(s)),
        softmax_of(lambda s: np.clip(s, -50, 50)),
        softmax_of(lambda s: s / abs(s).max()),
    ],
    "6.5": [
        lambda times, share: sum(times) / len(times),
        lambda times, share: max(times),
        lambda times, share: sorted(times, reverse=True)[math.ceil(share * len(times)) - 1],
        lambda times, share: sorted(times)[round(share * (len(times) - 1))],
        lambda times, share: math.ceil(share * len(times)),
        lambda times, share: share * max(times),
    ],
    "6.6": [
        lambda data, max_bytes, max_pixels: 200,
        lambda data, max_bytes, max_pixels: (
            413 if len(data) >= max_bytes else upload_by_verify(data, max_bytes, max_pixels)
        ),
        lambda data, max_bytes, max_pixels: upload_by_verify(data, 10**9, max_pixels),
        lambda data, max_bytes, max_pixels: upload_by_verify(data, max_bytes, 10**9),
        lambda data, max_bytes, max_pixels: {415: 400}.get(
            upload_by_verify(data, max_bytes, max_pixels), upload_by_verify(data, max_bytes, max_pixels)
        ),
        lambda data, max_bytes, max_pixels: upload_by_verify(data, max_bytes, max_pixels) == 200,
        lambda data, max_bytes, max_pixels: str(upload_by_verify(data, max_bytes, max_pixels)),
        upload_with_more_kinds("WEBP"),
        upload_with_more_kinds("BMP"),
        upload_of_one_frame,
    ],
    "6.8": [
        lambda a, b: 0.0,
        lambda a, b: stats.ks_2samp(a, b, method="asymp").pvalue,
        lambda a, b: abs(np.median(a) - np.median(b)),
        lambda a, b: max(sum(x <= v for x in a) / len(a) - sum(x <= v for x in b) / len(b) for v in a + b),
        lambda a, b: max(abs(x - y) for x, y in zip(sorted(a), sorted(b), strict=False)),
        lambda a, b: max(abs(sum(x < v for x in a) / len(a) - sum(x < v for x in b) / len(b)) for v in a),
        gap_at(lambda a, b: a),
        gap_at(lambda a, b: b),
        gap_at(lambda a, b: np.linspace(0, 1, 101)),
        gap_at(lambda a, b: np.linspace(min(a + b), max(a + b), 100)),
    ],
    "6.7": [
        lambda before, after, seconds: rates_by_expression(before, after, 1),
        lambda before, after, seconds: rates_by_expression(before, after, seconds)[:2],
        lambda before, after, seconds: rates_by_expression(before, after, seconds)[::-1],
        lambda before, after, seconds: rates_by_expression(before, after.replace('"503"', '"203"'), seconds),
        lambda before, after, seconds: rates_by_expression(after, before, seconds),
        lambda before, after, seconds: rates_by_expression(before, after, seconds)[0],
        lambda before, after, seconds: rates_by_expression(before, after.replace("415", "515"), seconds),
    ],
}
