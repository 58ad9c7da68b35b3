"""Programs built from Go modules, cached by version outside the tree."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError
from local.files import content_hash, lock
from local.progress import step
from local.settings import Settings
from local.shell import run
from local.streams import run_slow

SOURCES = Path(__file__).parent / "tools"
KUBERNETES_VERSION = "1.36.3"
_VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Tool:
    """A program: the folder of its module here, the package to build, and what the compiler calls the result."""

    module: str
    package: str
    built_as: str


def _kubernetes(name: str) -> Tool:
    return Tool("kubernetes", f"k8s.io/kubernetes/cmd/{name}", name)


TOOLS: Mapping[str, Tool] = {
    **{
        name: _kubernetes(name)
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        )
    },
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", "server"),
    "helm": Tool("helm", "helm.sh/helm/v3/cmd/helm", "helm"),
    "prometheus": Tool("prometheus", "github.com/prometheus/prometheus/cmd/prometheus", "prometheus"),
    "coredns": Tool("coredns", ".", "coredns"),
    "pause": Tool("pause", ".", "pause"),
    "kstatus": Tool("kstatus", ".", "kstatus"),
    "gitops": Tool("gitops", ".", "gitops"),
    "envoy-gateway": Tool("gateway", "github.com/envoyproxy/gateway/cmd/envoy-gateway", "envoy-gateway"),
}

# Without these, `kubectl version` and clients' version checks fail on a placeholder.
_STAMPS = {
    "kubernetes": {
        f"{_VERSION_PACKAGE}.gitVersion": f"v{KUBERNETES_VERSION}",
        f"{_VERSION_PACKAGE}.gitMajor": "1",
        f"{_VERSION_PACKAGE}.gitMinor": "36",
    },
    "helm": {"helm.sh/helm/v3/internal/version.version": "v3.22.0"},
    "prometheus": {"github.com/prometheus/common/version.Version": "3.16.0"},
    "gateway": {"github.com/envoyproxy/gateway/internal/cmd/version.envoyGatewayVersion": "v1.9.1"},
}
# Of Prometheus' thirty ways to find targets only the one that is used: the others take most of the build.
_TAGS = {"prometheus": "remove_all_sd,enable_kubernetes_sd"}
# A user's or a distribution's `GOTOOLCHAIN=local` would refuse the modules that ask for a newer Go than the one here.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "auto"}
_INSTALL = "install Go 1.21 or newer (it fetches the exact version it needs by itself) and put it into PATH"
_REMEDY = (
    "the Go module proxy must be reachable (GOPROXY; it also gives the Go version that a module asks for, by "
    "GOTOOLCHAIN=auto) and the checksum database too (GOSUMDB); a second run continues where this one stopped"
)
# What a first build took on two cores, so that a user knows what to expect.
_COLD = {
    "kubernetes": "about 5 min",
    "etcd": "1 min",
    "helm": "1 min",
    "coredns": "3 min",
    "prometheus": "3 min",
    "pause": "seconds",
    "kstatus": "half a minute",
    "gitops": "about 4 min",
    "gateway": "about 6 min",
}


def ensure(settings: Settings, names: Iterable[str]) -> dict[str, Path]:
    """Return the programs' paths, building those that are not cached yet; one compiler run per module."""
    wanted = list(names)
    paths = {name: _cached(settings, name) for name in wanted}
    missing = [name for name in wanted if not paths[name].exists()]
    for module in dict.fromkeys(TOOLS[name].module for name in missing):
        _build(settings, module, [name for name in missing if TOOLS[name].module == module])
    return paths


def is_built(settings: Settings, name: str) -> bool:
    """Whether the program is in the cache."""
    return _cached(settings, name).exists()


def go_caches() -> tuple[Path, Path]:
    """Where Go keeps modules and what it has compiled, for all programs of this user."""
    modules, objects = run(["go", "env", "GOMODCACHE", "GOCACHE"], remedy=_INSTALL).split("\n")[:2]
    return Path(modules), Path(objects)


def key(module: str) -> str:
    """Name of a module's folder in the cache: it changes with any version and any of our own sources."""
    sources = [p for p in (SOURCES / module).iterdir() if p.suffix in {".mod", ".sum", ".go"}]
    digest = content_hash(sources, _flags(module), _TAGS.get(module, ""))
    return f"{module}-{digest[:12]}"


def _cached(settings: Settings, name: str) -> Path:
    return settings.cache / "bin" / key(TOOLS[name].module) / name


def _flags(module: str) -> str:
    stamps = [f"-X {name}={value}" for name, value in _STAMPS.get(module, {}).items()]
    return " ".join(["-s", "-w", *stamps])


def _build(settings: Settings, module: str, names: list[str]) -> None:
    home = settings.cache / "bin" / key(module)
    with lock(settings.cache / "bin" / f"{module}.lock", f"the build of {module}"):
        # Another run may have built them while we waited.
        names = [n for n in names if not (home / n).exists()]
        if not names:
            return
        _need_go()
        home.mkdir(parents=True, exist_ok=True)
        what = f"building {', '.join(names)} from Go modules (first time {_COLD[module]})"
        with step(what), tempfile.TemporaryDirectory(prefix=".build-", dir=home) as out:
            _compile(module, [TOOLS[n].package for n in names], Path(out))
            for name in names:
                (Path(out) / TOOLS[name].built_as).replace(home / name)


def _compile(module: str, packages: list[str], out: Path) -> None:
    env = {**os.environ, **_ENVIRONMENT}
    # -v names each package when it is done: that is the progress.
    options = ["-v", "-trimpath", "-tags", _TAGS.get(module, ""), f"-ldflags={_flags(module)}", "-o", f"{out}/"]
    run_slow(
        f"go build of {module}",
        ["go", "build", *options, *packages],
        env=env,
        cwd=SOURCES / module,
        summary=_progress,
        remedy=_REMEDY,
    )


def _progress(said: Sequence[str]) -> str:
    fetched = sum(line.startswith("go: downloading") for line in said)
    return f"{fetched} modules fetched, {len(said) - fetched} packages compiled"


def _need_go() -> None:
    version = run(["go", "env", "GOVERSION"], remedy=_INSTALL).strip()
    match = re.match(r"go(\d+)\.(\d+)", version)
    if match and (int(match[1]), int(match[2])) < (1, 21):
        raise LocalError(f"Go is too old here ({version})", _INSTALL)
