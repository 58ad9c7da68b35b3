"""Programs from Debian packages: some installed, some only unpacked into the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from local.errors import LocalError
from local.files import lock, new_directory
from local.progress import say, step
from local.settings import Settings
from local.shell import run

# Installed on the host, because they need their libraries and helpers where the package puts them.
PACKAGE_OF = {
    "nft": "nftables",
    "openssl": "openssl",
    "ip": "iproute2",
    "unshare": "util-linux",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
FOR_CLUSTER = ("nft", "openssl", "ip", "unshare")
FOR_IMAGES = ("buildah", "debootstrap", "unshare")

_SEARCH = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")


def find(program: str) -> str | None:
    """Where the program is, also if the user's PATH leaves out the system folders."""
    return shutil.which(program, path=_SEARCH)


def ensure_installed(settings: Settings, programs: Iterable[str]) -> None:
    """Install the packages of the programs that are missing, and say which."""
    missing = sorted({PACKAGE_OF[p] for p in programs if find(p) is None})
    if not missing:
        return
    _need_apt(missing)
    with (
        lock(settings.cache / "apt.lock", "the package manager"),
        step(f"installing Debian packages: {' '.join(missing)}"),
    ):
        _apt("install", "-y", "--no-install-recommends", *missing)


def unpacked(settings: Settings, package: str) -> Path:
    """Return the folder where the package's files are, fetching and unpacking it when first needed.

    Unpacked and not installed, the host gets no service, and a container engine that it has stays as it is.
    """
    home = settings.cache / "debs"
    with lock(settings.cache / "debs.lock", "the package cache"):
        ready = sorted(home.glob(f"{package}_*"))
        return ready[-1] if ready else _fetch(home, package)


def _fetch(home: Path, package: str) -> Path:
    _need_apt([package])
    with step(f"fetching the Debian package {package} (unpacked into the cache, not installed)"):
        with new_directory(home / f"tmp-{package}") as tmp:
            # The package manager fetches as a user of its own, which must be able to write here.
            tmp.chmod(0o777)
            _apt("download", package, cwd=tmp)
            archive = next(tmp.glob("*.deb"))
            run(["dpkg-deb", "-x", archive, tmp / "files"])
            version = archive.stem
        fetched = home / f"tmp-{package}"
        final = home / version
        if not final.exists():
            (fetched / "files").rename(final)
        shutil.rmtree(fetched)
    return final


def _need_apt(packages: Iterable[str]) -> None:
    if shutil.which("apt-get") is None:
        raise LocalError("apt-get is not here", f"use Debian 12, or put these into PATH yourself: {' '.join(packages)}")


def _apt(*args: str, cwd: Path | None = None) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    command = ["apt-get", "-q", *args]
    remedy = "look at the package sources in /etc/apt and try again"
    try:
        run(command, env=env, cwd=cwd, timeout=900)
    except LocalError:
        say("refreshing the package lists and trying again")
        run(["apt-get", "-q", "update"], env=env, timeout=300, remedy=remedy)
        run(command, env=env, cwd=cwd, timeout=900, remedy=remedy)
