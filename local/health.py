"""Whether a component does its work."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable

from local.ctr import Ctr
from local.settings import Settings

Probe = Callable[[], bool]


def probes(settings: Settings) -> dict[str, Probe]:
    """One probe per component; each returns at once."""
    s = settings

    def asking(url: str, context: ssl.SSLContext | None = None) -> Probe:
        return lambda: answers(url, context)

    def api() -> bool:
        # The keys may not be there yet.
        ca = s.pki / "ca.crt"
        return ca.exists() and answers(f"{s.api_url}/readyz", ssl.create_default_context(cafile=str(ca)))

    # On loopback, with certificates that the programs made for themselves.
    unverified = ssl._create_unverified_context()
    return {
        "etcd": asking(f"http://127.0.0.1:{s.etcd_port}/health"),
        "kube-apiserver": api,
        "kube-controller-manager": asking("https://127.0.0.1:10257/healthz", unverified),
        "kube-scheduler": asking("https://127.0.0.1:10259/healthz", unverified),
        "containerd": lambda: Ctr(s).ready(),
        "kubelet": asking("http://127.0.0.1:10248/healthz"),
        "kube-proxy": asking("http://127.0.0.1:10256/livez"),
    }


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether a GET is answered with 200; never through a proxy."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
