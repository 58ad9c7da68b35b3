"""Our containerd, through its command-line client."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Sequence

from local.errors import LocalError
from local.oci import Blob, archive, blob
from local.packages import unpacked
from local.settings import Settings
from local.shell import Arg, run, tail, works

NAMESPACE = "k8s.io"


class Ctr:
    """The images and containers of the cluster's own containerd."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program = unpacked(settings, "containerd") / "usr/bin/ctr"

    def ready(self) -> bool:
        """Whether containerd answers."""
        return self.settings.containerd_socket.exists() and works(self._line("version"), timeout=5)

    def images(self) -> set[str]:
        """Names of all images."""
        return set(self._ctr("images", "ls", "-q").split())

    def blobs(self) -> set[str]:
        """Digests of everything in the content store."""
        return set(self._ctr("content", "ls", "-q").split())

    def named(self, name: str) -> str:
        """Pods use the name under which it is imported."""
        return name

    def opened(self, name: str) -> tuple[Blob, list[Blob]]:
        """An image's manifest and configuration: its layers are here already."""
        manifest = self._ctr("content", "get", name.rpartition("@")[2])
        config = self._ctr("content", "get", json.loads(manifest)["config"]["digest"])
        return blob(manifest.encode()), [blob(config.encode())]

    def load(self, name: str, manifest: Blob, blobs: Sequence[Blob]) -> None:
        """Import an image, sending only what containerd lacks."""
        have = self.blobs()
        line = [str(word) for word in self._line("images", "import", "-")]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            # It ended before it had read everything: what it said tells why.
            with contextlib.suppress(BrokenPipeError):
                archive(name, manifest, [b for b in blobs if b.digest not in have], program.stdin)
                program.stdin.close()
            said = program.stdout.read().decode(errors="replace")
        if program.returncode != 0:
            raise LocalError(f"containerd refused the image {name}", "see containerd's log", tail(said))

    def purge_containers(self) -> None:
        """Forget the containers of an earlier cluster. Their processes are gone: this clears names and disk."""
        ids = self._ctr("containers", "ls", "-q").split()
        if ids:
            works(self._line("tasks", "rm", "--force", *ids))
            works(self._line("containers", "rm", *ids), timeout=120)

    def _line(self, *args: Arg) -> list[Arg]:
        return [self.program, "--address", self.settings.containerd_socket, "--namespace", NAMESPACE, *args]

    def _ctr(self, *args: Arg, timeout: float = 60) -> str:
        return run(self._line(*args), timeout=timeout)
