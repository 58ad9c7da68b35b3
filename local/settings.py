"""Where the local cluster keeps things and which addresses it uses."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "local"


@dataclass(frozen=True)
class Settings:
    """Every path, address and port of the local cluster. One machine has at most one such cluster."""

    cache: Path
    run: Path
    node_ip: str = "10.246.0.1"
    pod_cidr: str = "10.244.0.0/24"
    service_cidr: str = "10.96.0.0/16"
    bridge: str = "srl-node"
    cgroup: str = "sampler-rollouts-local"
    api_port: int = 6443
    etcd_port: int = 12379
    etcd_peer_port: int = 12380
    scrape_interval: str = "2s"
    through_proxy: bool = False
    """Whether the API server may be behind the user's own proxy."""

    @property
    def api_service_ip(self) -> str:
        """The API server as pods reach it: the first address of the Services' range, by Kubernetes' convention."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def dns_ip(self) -> str:
        """The cluster's DNS Service."""
        return str(ipaddress.ip_network(self.service_cidr)[10])

    @property
    def scrape_seconds(self) -> float:
        """The interval of scrapes, which is said in seconds."""
        return float(self.scrape_interval.rstrip("s"))

    @property
    def api_url(self) -> str:
        """The API server as the host reaches it."""
        return f"https://{self.node_ip}:{self.api_port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.run / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.run / "pki"

    @property
    def etc(self) -> Path:
        """Configuration files that we write for the components."""
        return self.run / "etc"

    @property
    def logs(self) -> Path:
        """One log per component; kept by `down`, for a look afterwards."""
        return self.run / "log"

    @property
    def pids(self) -> Path:
        """One file per component that we started."""
        return self.run / "pids"

    @property
    def bin(self) -> Path:
        """Links to the programs in the cache, with their plain names."""
        return self.run / "bin"

    @property
    def cgroup_note(self) -> Path:
        """What the host's control groups were given before us."""
        return self.run / "cgroups-before.json"

    @property
    def containerd_root(self) -> Path:
        """Images. Kept by `down`, so that the next `up` need not import them again."""
        return self.run / "containerd-root"

    @property
    def containerd_state(self) -> Path:
        """What containerd knows of running containers."""
        return self.run / "containerd-state"

    @property
    def containerd_socket(self) -> Path:
        """Our own containerd, never the host's."""
        return self.run / "containerd.sock"


def load() -> Settings:
    """Settings from the environment, with their defaults."""
    env = os.environ
    home_cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Settings(
        cache=Path(env.get("SAMPLER_ROLLOUTS_CACHE") or home_cache / "sampler-rollouts").absolute(),
        run=Path(env.get("SAMPLER_ROLLOUTS_RUN") or "/var/lib/sampler-rollouts-local").absolute(),
        pod_cidr=env.get("SAMPLER_ROLLOUTS_POD_CIDR") or Settings.pod_cidr,
        service_cidr=env.get("SAMPLER_ROLLOUTS_SERVICE_CIDR") or Settings.service_cidr,
        node_ip=env.get("SAMPLER_ROLLOUTS_NODE_IP") or Settings.node_ip,
        scrape_interval=env.get("SAMPLER_ROLLOUTS_SCRAPE_INTERVAL") or Settings.scrape_interval,
    )
