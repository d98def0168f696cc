"""Say in one sentence what went wrong with a run, and what to do about it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

ELSEWHERE = "or work in a copy of the course in a folder of your own"
REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your share of the disk is used up; free some space",
    errno.EFBIG: "the system limits the size of a file; raise the limit (`ulimit -f`)",
    errno.EROFS: f"the disk is read-only; make it writable, {ELSEWHERE}",
    errno.EACCES: f"you have no permission; change that of the folder, {ELSEWHERE}",
    errno.EPERM: f"you have no permission; change that of the folder, {ELSEWHERE}",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away",
    errno.EEXIST: "a file stands where a folder is needed; move it away",
    errno.EISDIR: "a folder stands where a file is needed; move it away",
    errno.ENOENT: "its folder has vanished; leave build/ alone while chapters run",
    errno.EMFILE: "too many files are open; close other programs, or use --jobs 1",
    errno.ENOMEM: "the memory is full; close other programs, or use --jobs 1",
    errno.EAGAIN: "the system starts no more processes; close other programs, or use --jobs 1",
}
LESS_MEMORY = "close other programs or use --jobs 1, then run again"
WRITING = "when its result was written"
KERNEL = "the kernel could not start"
REASONS = {
    "CellTimeoutError": "the cell ran longer than {cell_timeout} s (change the limit with --cell-timeout)",
    "DeadKernelError": "the kernel died: it was ended from outside, by the cell itself, or by the system because "
    f"the memory was full; {LESS_MEMORY}",
    "NoSuchKernel": f"{KERNEL}: Jupyter knows no kernel `python3`; run `make setup` again",
    "ZMQError": f"{KERNEL}: it got no port ({{error}}); look whether a firewall or container forbids 127.0.0.1",
    "OSError": f"{KERNEL}: it got no port ({{error}}); look whether a firewall or container forbids 127.0.0.1",
    "RuntimeError": f"{KERNEL} ({{error}}); the log says why, `course doctor` what this machine lacks",
}


def is_unwritable(error: OSError) -> bool:
    """Return whether an error is about a disk, a folder or what the machine has to give."""
    return error.errno in REMEDIES


def unwritable(error: OSError, place: Path) -> str:
    """Return what could not be written, where, how much room is there, and what to do.

    Args:
        error: As the system gave it.
        place: What was being written, if the error does not name it.
    """
    where = Path(str(error.filename)) if error.filename else place
    remedy = REMEDIES.get(error.errno or 0, f"{error.strerror or error}; put that right")
    return f"{where} could not be written ({_free(where)} free): {remedy}, then run again"


def ended(code: int, log: Path) -> str:
    """Return why a worker is gone that did not say how it ended.

    Args:
        code: With which it ended; below zero it is the number of a signal.
        log: What it printed.
    """
    if code < 0:
        return f"the chapter's process was ended from outside (signal {-code}), or the memory was full; {LESS_MEMORY}"
    return f"the chapter's process ended with code {code}; its log says why: {log}"


def in_kernel(kind: str, text: str) -> str:
    """Return an error that a cell raised; data that cannot be had make one paragraph, without pip's own words.

    Args:
        kind: The name of the exception.
        text: Its message.
    """
    if kind == "AssetError":
        text = " ".join(line for line in text.splitlines() if not line.startswith("  "))
    full = f"[Errno {errno.ENOSPC}]" in text
    return f"{kind}: {text}".strip() + ("; free some space on that disk, then run again" if full else "")


def of_kernel(error: Exception, cell_timeout: int) -> str:
    """Return what kept a kernel from starting or from going on."""
    kind = type(error).__name__
    reason = REASONS.get(kind, f"{kind}: {{error}}")
    return reason.format(error=error, cell_timeout=cell_timeout)


def _free(place: Path) -> str:
    there = next((folder for folder in (place, *place.absolute().parents) if folder.exists()), Path())
    return f"{shutil.disk_usage(there).free / 1e6:,.1f} MB"
