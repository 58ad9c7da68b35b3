"""Buildah with a store of its own, and what pip needs from the host while an image is built."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.buildstore import read_image
from local.files import write_if_changed
from local.oci import Blob
from local.settings import Settings
from local.shell import Arg, run
from local.streams import run_slow

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_CERTIFICATES_INSIDE = "/run/host-certificates.crt"
# Only what says where packages come from and how they are reached. The rest of a user's configuration is his own.
_PIP_OPTIONS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Buildah:
    """Builds without a daemon and without a registry, in a mount namespace that cleans up after a crash."""

    def __init__(self, settings: Settings) -> None:
        self.home = settings.cache / "buildah"
        self.home.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether an image is in the store."""
        listed = run(self._line("images", "--format", "{{.Name}}:{{.Tag}}"), env=self._environment())
        return name in listed.split()

    def build(self, context: Path, dockerfile: Path, tag: str, *, target: str = "", args: Mapping[str, str]) -> None:
        """Build a Dockerfile's target; layers that did not change are taken from the last build."""
        build_args = [word for name, value in args.items() for word in ("--build-arg", f"{name}={value}")]
        chosen = ["--target", target] if target else []
        options = ["--layers", "--isolation", "chroot", "--pull=never", "--format", "oci", "--timestamp", "0"]
        line = self._line("bud", *options, *self._volumes(), *build_args, *chosen, "-f", dockerfile, "-t", tag, context)
        try:
            run_slow(f"building {tag}", line, env=self._environment())
        finally:
            _drop_empty_host_cache()

    def read(self, tag: str) -> tuple[Blob, list[Blob]]:
        """Return an image's manifest and its other blobs."""
        return read_image(self.home / "store", tag)

    def _line(self, *args: Arg) -> list[Arg]:
        store: list[Arg] = [
            "--root",
            self.home / "store",
            "--runroot",
            self.home / "run",
            "--storage-driver",
            "overlay",
        ]
        return ["unshare", "--mount", "--propagation", "private", "buildah", *store, *args]

    def _environment(self) -> dict[str, str]:
        # Without a configuration of its own it makes files in /etc/cni.
        config = self.home / "containers.conf"
        write_if_changed(config, f'[network]\nnetwork_config_dir = "{self.home / "cni"}"\n')
        passed = {name: os.environ[name] for name in _PROXIES if name in os.environ}
        fixed = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TMPDIR": "/var/tmp", "LC_ALL": "C.UTF-8"}
        return {**fixed, **passed, "CONTAINERS_CONF": str(config)}

    def _volumes(self) -> list[str]:
        """What is mounted during the build only, and never becomes part of a layer."""
        cache = self.home / "pip-cache"
        cache.mkdir(exist_ok=True)
        config = self.home / "pip.conf"
        text, folders = pip_configuration(_pip_settings(), certificates=_CERTIFICATES.exists())
        write_if_changed(config, text)
        volumes = [f"{config}:/etc/pip.conf:ro", f"{cache}:/root/.cache/pip"]
        if _CERTIFICATES.exists():
            volumes.append(f"{_CERTIFICATES}:{_CERTIFICATES_INSIDE}:ro")
        volumes += [f"{folder}:{folder}:ro" for folder in folders]
        return [word for volume in volumes for word in ("--volume", volume)]


def pip_configuration(settings: Mapping[str, str], *, certificates: bool) -> tuple[str, list[str]]:
    """Return the pip.conf for a build and the local folders that it names."""
    kept = {name: value for name, value in settings.items() if name in _PIP_OPTIONS}
    if certificates:
        kept["cert"] = _CERTIFICATES_INSIDE
    folders = [word for word in kept.get("find-links", "").split() if Path(word).is_dir()]
    lines = [f"{name} = {value}" for name, value in sorted(kept.items())]
    return "\n".join(["[global]", *lines, ""]), folders


def parse_pip_config(listing: str) -> dict[str, str]:
    """Read `pip config list`; the environment wins over files."""
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda text: text.startswith(":env:")):
        name, separator, value = line.partition("=")
        scope, _, option = name.rpartition(".")
        if separator and scope in {"global", "install", ":env:"}:
            # Lists are shown with their line ends escaped.
            found[option] = value.strip().strip("'\"").replace("\\n", " ").strip()
    return found


def _pip_settings() -> dict[str, str]:
    return parse_pip_config(run([sys.executable, "-m", "pip", "config", "list"]))


def _drop_empty_host_cache() -> None:
    """Remove the note that buildah leaves outside its store, and its folder if nobody else uses it."""
    folder = Path("/var/lib/containers/cache")
    if folder.is_dir() and not (folder.parent / "storage").exists():
        (folder / "blob-info-cache-v1.boltdb").unlink(missing_ok=True)
        for path in (folder, folder.parent):
            with contextlib.suppress(OSError):
                path.rmdir()
