"""Set the course up with nothing but Python: `python3 install.py`, on Windows `py install.py`.

Makes `.venv`, puts uv into it, installs what the course needs and fetches the fast data, one line a step.
`make` runs the same. Without uv, pip does its work. A learner's settings for pip (mirror, proxy, certificate,
constraints) hold for uv too. Only the standard library is used here: nothing is installed yet.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
READY = VENV / ".ready"  # says how the environment was made; newer than the requirements if it is up to date
CONSTRAINTS = ROOT / "constraints.txt"
PIP = [str(PYTHON), "-m", "pip"]
UV = [str(PYTHON), "-m", "uv", "pip"]
MODES = {
    "proven": "as last proven",
    "latest": "the latest versions",
    "lowest": "the lowest versions that requirements.txt allows",
}
HEADER = """\
# The exact versions that the course was last proven with, for every system and Python from 3.10; where one
# Python or system needs another version, the line says so. Made by `make upgrade`: do not edit.
"""
# What pip calls a setting, and the variables in which uv expects it (constraints are handed on as options).
UV_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "find-links": ("UV_FIND_LINKS",),
    "no-index": ("UV_NO_INDEX",),
    "cert": ("SSL_CERT_FILE",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY"),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
SEPARATORS = {"UV_FIND_LINKS": ","}  # uv separates these by commas, the others by blanks


class StepError(Exception):
    """A command failed; the text is the end of what it said."""


class Step:
    """One line on the screen: what is done now, then what was done and how long it took."""

    def __init__(self, name: str) -> None:
        """Begin the line with its first word."""
        self.name = f"{name:<10}"
        self.began = time.monotonic()
        print(self.name, end="", flush=True)

    def now(self, text: str) -> None:
        """Show for a moment what goes on, where a person looks on."""
        if sys.stdout.isatty():
            print(f"\r{self.name}{text[:65]:<65}", end="", flush=True)

    def done(self, text: str) -> None:
        """End the line."""
        start = f"\r{self.name}" if sys.stdout.isatty() else ""
        print(f"{start}{text:<65}{time.monotonic() - self.began:5.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the steps that were asked for; return 0 if all went well."""
    asked = parse(arguments)
    try:
        if asked.upgrade:
            upgrade()
            return 0
        if "packages" in asked.steps:
            packages(asked.mode, asked.torch)
        if "data" in asked.steps:
            data()
    except StepError as error:
        print(f"failed\n\n{error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what was asked for: `steps`, `mode`, `torch` and `upgrade`."""
    parser = argparse.ArgumentParser(description="Make .venv, install the course, fetch the fast data.")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="packages, data; both if none is named")
    modes = parser.add_mutually_exclusive_group()
    for mode in ("latest", "lowest"):
        modes.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=MODES[mode])
    torch = "cpu: a PyTorch without GPU, a tenth of the bytes; auto: the one that fits this machine"
    parser.add_argument("--torch", choices=("auto", "cpu"), default="", help=torch)
    parser.add_argument("--upgrade", action="store_true", help="write constraints.txt anew")
    parser.set_defaults(mode="proven")
    asked = parser.parse_args(arguments)
    asked.steps = asked.steps or ["packages", "data"]
    if unknown := set(asked.steps) - {"packages", "data"}:
        parser.error(f"unknown step {', '.join(sorted(unknown))}; the steps are packages, data")
    return asked


def packages(mode: str, torch: str) -> None:
    """Make the environment and install the course into it."""
    words = f"{mode} torch={torch or 'default'} python={sys.version_info[0]}.{sys.version_info[1]}\n"
    make_environment(words)
    uv_problem = get_uv(mode)
    step = Step("packages")
    if uv_problem and mode == "lowest":
        raise StepError("LOWEST needs uv: pip does not choose the lowest versions.")
    settings = pip_settings()
    command = pip_command(mode) if uv_problem else uv_command(mode, torch, settings)
    try:
        run(command, env=os.environ if uv_problem else uv_environment(settings, os.environ), watch=step)
    except StepError as error:
        remedy = "\nIf this Python or system is newer than constraints.txt: make setup LATEST=1 (install.py --latest)"
        raise StepError(f"{error}{remedy if mode == 'proven' else ''}") from error
    ignored = ", TORCH ignored" if uv_problem and torch else ""
    step.done(f"{MODES[mode]}{ignored}: torch {version('torch')}")
    READY.write_text(words, encoding="utf-8")


def make_environment(words: str) -> None:
    """Make `.venv`: anew if it was made in another way, so that nothing of that is left."""
    step = Step("python")
    if sys.version_info < (3, 10):  # noqa: UP036 (run by whatever Python is there)
        raise StepError(
            f"The course needs Python 3.10 or newer, got {sys.version.split()[0]}. "
            "Name another one: make setup PYTHON=python3.12, or: python3.12 install.py"
        )
    before = READY.read_text(encoding="utf-8") if READY.exists() else ""
    clear = ["--clear"] if before not in ("", words) else []
    READY.unlink(missing_ok=True)
    if before != words:
        base = getattr(sys, "_base_executable", "") or sys.executable  # also when .venv itself is active
        run([base, "-m", "venv", *clear, str(VENV)])
    step.done(f"{sys.version.split()[0]}, in {VENV.name}")


def get_uv(mode: str) -> str:
    """Put uv into `.venv`.

    Returns:
        Nothing, or why there is no uv: then pip does its work.
    """
    step = Step("uv")
    try:
        run([*PIP, "install", "--upgrade", "--only-binary", ":all:", *pins(mode), "uv"])
        step.done(version("uv"))
    except StepError as error:
        problem = str(error).strip().splitlines()[-1]
        step.done(f"not to be had, so pip installs, three times slower ({problem})")
        return problem
    return ""


def pins(mode: str) -> list[str]:
    """Return the options that hold the proven versions."""
    return ["--constraint", str(CONSTRAINTS)] if mode == "proven" else []


def pip_command(mode: str) -> list[str]:
    """Return pip's command line."""
    upgrade = ["--upgrade", "--upgrade-strategy", "eager"] if mode == "latest" else []
    return [*PIP, "install", *upgrade, *pins(mode), "-e", f"{ROOT}[course,dev]"]


def uv_command(mode: str, torch: str, settings: dict[str, str]) -> list[str]:
    """Return uv's command line for one of `MODES`, a back end of torch or none, and pip's settings."""
    command = [*UV, "install", "--python", str(PYTHON)]
    command += ["--build-constraints", str(CONSTRAINTS)] if mode == "proven" else ["--upgrade"]
    command += ["--resolution", "lowest-direct"] if mode == "lowest" else []
    command += ["--torch-backend", torch] if torch else []
    return [*command, *pins(mode), *learners_pins(settings), "pip", "-e", f"{ROOT}[course,dev]"]


def learners_pins(settings: dict[str, str]) -> list[str]:
    """Return options for the constraints in pip's settings."""
    return [word for file in settings.get("constraint", "").split() for word in ("--constraint", file)]


def pip_settings() -> dict[str, str]:
    """Return what holds for `pip install` here, from its files and variables, by pip's own names."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in run([*PIP, "config", "list"]).splitlines():
        if match := re.fullmatch(r"(global|install|:env:)\.([\w-]+)=('.*'|\".*\")", line):
            section, name, value = match.groups()
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for section in found.values() for name, value in section.items()}  # the last one wins


def uv_environment(settings: dict[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for uv: pip's settings, where the learner has not set uv's own."""
    made = {"UV_INDEX_STRATEGY": "unsafe-best-match"} if "extra-index-url" in settings else {}  # as pip does
    for name, variables in UV_VARIABLES.items():
        if name in settings:
            value = SEPARATORS.get(variables[0], " ").join(settings[name].split())
            made.update(dict.fromkeys(variables, value))
    return {**made, **environment}


def data() -> None:
    """Fetch the data of the fast profile."""
    step = Step("data")
    lines = run([str(BIN / "course"), "data"]).splitlines()
    fetched = sum(": fetched" in line for line in lines)
    step.done(f"{len(lines)} sets verified, {fetched} of them fetched now")


def upgrade() -> None:
    """Write the newest versions that go together into constraints.txt."""
    step = Step("versions")
    here = ("find-links", "extra-index-url")  # files for this machine would bend the choice for the others
    settings = {name: value for name, value in pip_settings().items() if name not in here}
    command = [
        str(PYTHON),
        "-m",
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.10",
        "--quiet",
    ]
    command += [
        "--all-extras",
        "--no-header",
        "--no-annotate",
        *learners_pins(settings),
        "pyproject.toml",
        "-",
    ]
    made = run(command, env=uv_environment(settings, os.environ), text="pip\nuv\n")
    lines = sorted(re.sub(r"\+[a-z0-9.]+(?= |$)", "", line) for line in made.splitlines())
    before = CONSTRAINTS.read_text(encoding="utf-8").splitlines() if CONSTRAINTS.exists() else []
    CONSTRAINTS.write_text("\n".join([HEADER.rstrip(), *lines, ""]), encoding="utf-8")
    step.done(f"{len(lines)} lines in constraints.txt, {len(set(lines) - set(before))} of them new")


def version(name: str) -> str:
    """Return the version of a package in `.venv`."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return run([str(PYTHON), "-c", code]).split()[-1]


def run(
    command: list[str], *, env: Mapping[str, str] | None = None, text: str = "", watch: Step | None = None
) -> str:
    """Run a command and return what it printed; what it warned of is nobody's business unless it fails.

    Args:
        command: Program and arguments.
        env: All variables; those of this process if None.
        text: What it reads.
        watch: The step whose line shows what is being downloaded.

    Raises:
        StepError: If the command fails, with the end of what it said.
    """
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**(os.environ if env is None else env), **quiet},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdin
    assert process.stdout
    with process:
        process.stdin.write(text)
        process.stdin.close()
        lines = [_seen(line, watch) for line in process.stdout]
    if process.returncode:
        raise StepError("".join(lines[-15:]).strip() or f"{command[0]} ended with {process.returncode}")
    return "".join(lines)


def _seen(line: str, watch: Step | None) -> str:
    """Show which file is being downloaded, if this line says so; return the line."""
    if watch and (match := re.match(r"\s*Downloading (\S+ \(.+\))", line)):
        watch.now(f"loading {match[1]}")
    return line


if __name__ == "__main__":
    sys.exit(main())
