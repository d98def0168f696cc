"""Start the service: `python -m course_utils.serving BUNDLE --port 8000 --workers 2`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; return 0 after an orderly end.

    Args:
        arguments: Of the command line.
    """
    given = parse(arguments)
    counts, own = "", os.getpid()
    if (
        given.workers > 1 and COUNTS not in os.environ
    ):  # before prometheus_client is imported, which looks once
        counts = os.environ[COUNTS] = tempfile.mkdtemp(prefix="service-counts-")
    from course_utils.serving import server
    from course_utils.serving.bundle import BundleError

    where = {"host": given.host, "port": given.port, "threads": given.threads, "parent": given.parent}
    try:
        if given.workers > 1:
            from course_utils.serving import workers

            workers.serve(given.bundle, workers=given.workers, **where)
        else:
            server.serve(given.bundle, **where)
    except (BundleError, OSError) as error:
        print(f"course serve: {error}", file=sys.stderr)
        return 1
    finally:
        if counts and os.getpid() == own:  # not when a worker ends
            shutil.rmtree(counts, ignore_errors=True)
            del os.environ[COUNTS]
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="course serve", description="Serve a network over HTTP.")
    parser.add_argument(
        "bundle", type=Path, metavar="BUNDLE", help="a bundle, or a folder of versions of one"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from other machines")
    parser.add_argument("--port", type=int, default=8000, help="0 for any that is free")
    parser.add_argument("--workers", type=int, default=1, help="processes; more than one not on Windows")
    parser.add_argument("--threads", type=int, default=4, help="of each process")
    parser.add_argument("--parent", action="store_true", help="end when standard input ends")
    given = parser.parse_args(arguments)
    if not 0 <= given.port <= 65535:
        parser.error(f"--port {given.port}: expected 0 to 65535")
    if not (1 <= given.workers <= 64 and 1 <= given.threads <= 64):
        parser.error(f"--workers {given.workers} --threads {given.threads}: expected 1 to 64")
    if given.workers > 1 and os.name == "nt":
        parser.error(
            "several workers need Linux or macOS: on Windows start several processes on ports of their own"
        )
    return given


if __name__ == "__main__":
    sys.exit(main())
