"""What a cell would show: IPython's own display machinery with a publisher that keeps everything."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import matplotlib as mpl
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell

mpl.use("agg")


class Shell(Mock):
    """As much of an IPython shell as `display` needs."""

    display_pub = None
    display_formatter = None


def capture(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the list that every output of the test lands in: data, metadata, transient, update."""
    publisher = CapturingDisplayPublisher()
    shell = Shell(spec_set=["display_pub", "display_formatter", "events"])
    shell.display_pub, shell.display_formatter = publisher, DisplayFormatter()
    monkeypatch.setattr(InteractiveShell, "initialized", classmethod(lambda cls: True))
    monkeypatch.setattr(InteractiveShell, "instance", classmethod(lambda cls, *a, **k: shell))
    return publisher.outputs
