"""The command line of each component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local import nodeconfig
from local.cgroups import Cgroups
from local.files import content_hash
from local.process import Daemon
from local.settings import NODE_NAME, Settings

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("containerd", "kubelet", "kube-proxy")
ALL = (*CONTROL_PLANE, *NODE)
ISSUER = "https://kubernetes.default.svc"


def ports(s: Settings) -> list[tuple[str, str, int]]:
    """Who listens where: (component, address, port). All must be free before the first start."""
    loopback = "127.0.0.1"
    return [
        ("etcd", loopback, s.etcd_port),
        ("etcd", loopback, s.etcd_peer_port),
        ("kube-apiserver", s.node_ip, s.api_port),
        ("kube-controller-manager", loopback, 10257),
        ("kube-scheduler", loopback, 10259),
        ("kubelet", s.node_ip, 10250),
        ("kubelet", loopback, 10248),
        ("kube-proxy", loopback, 10256),
        ("kube-proxy", loopback, 10249),
    ]


def daemons(settings: Settings, programs: Mapping[str, Path], groups: Cgroups) -> dict[str, Daemon]:
    """Every component, ready to be started. The configuration files must have been written."""
    lines = {
        "etcd": _etcd(settings),
        "kube-apiserver": _apiserver(settings),
        "kube-controller-manager": _controller_manager(settings),
        "kube-scheduler": _scheduler(settings),
        "containerd": ["--config", str(nodeconfig.containerd_file(settings))],
        "kubelet": _kubelet(settings),
        "kube-proxy": ["--config", str(nodeconfig.proxy_file(settings))],
    }
    search = f"{settings.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        name: Daemon(
            name=name,
            argv=[str(programs[name]), *arguments],
            pid_file=settings.pids / name,
            log=settings.logs / f"{name}.log",
            cgroups=groups.for_daemon(name),
            # containerd finds its shim there, the kubelet its mount helpers.
            env={"PATH": search},
            fingerprint=_fingerprint(settings, name),
        )
        for name, arguments in lines.items()
    }


def _fingerprint(settings: Settings, name: str) -> str:
    files = {
        "containerd": [nodeconfig.containerd_file(settings)],
        "kubelet": [nodeconfig.kubelet_file(settings)],
        "kube-proxy": [nodeconfig.proxy_file(settings)],
    }
    # New keys must reach everyone; etcd and containerd use none.
    keys = [] if name in {"etcd", "containerd"} else [settings.pki / "made-for", settings.pki / "ca.crt"]
    return content_hash([*files.get(name, []), *keys])


def _etcd(s: Settings) -> list[str]:
    client, peer = f"http://127.0.0.1:{s.etcd_port}", f"http://127.0.0.1:{s.etcd_peer_port}"
    return [
        "--name=local",
        f"--data-dir={s.run / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        # The data live no longer than the cluster, which is for development.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(s: Settings) -> list[str]:
    pki = s.pki
    return [
        f"--etcd-servers=http://127.0.0.1:{s.etcd_port}",
        # Only on the node's own address: pods and the host reach it, other machines do not.
        f"--bind-address={s.node_ip}",
        f"--advertise-address={s.node_ip}",
        f"--secure-port={s.api_port}",
        f"--cert-dir={pki}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-cluster-ip-range={s.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
        # A look at what happened must still be possible after a long test.
        "--event-ttl=24h",
    ]


def _controller_manager(s: Settings) -> list[str]:
    pki = s.pki
    return [
        *_client(s, "kube-controller-manager"),
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--cert-dir={s.run / 'kube-controller-manager'}",
        f"--flex-volume-plugin-dir={s.run / 'volume-plugins'}",
    ]


def _scheduler(s: Settings) -> list[str]:
    return _client(s, "kube-scheduler")


def _client(s: Settings, name: str) -> list[str]:
    kubeconfig = s.etc / f"{name}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
    ]


def _kubelet(s: Settings) -> list[str]:
    return [
        f"--config={nodeconfig.kubelet_file(s)}",
        f"--kubeconfig={s.etc / 'kubelet.kubeconfig'}",
        f"--root-dir={s.run / 'kubelet'}",
        f"--cert-dir={s.run / 'kubelet-certs'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={s.node_ip}",
    ]
