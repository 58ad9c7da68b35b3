"""Configuration files of containerd, CNI, the kubelet and kube-proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local.files import write_if_changed
from local.settings import NODE_NAME, Settings

CNI_NETWORK = "sampler-rollouts-local"

_CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
# opt would make a folder on the host; the others need what this machine may lack.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE every sandbox fails otherwise.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_bin}"
    conf_dir = "{cni_conf}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        Root = "{runc_root}"
        SystemdCgroup = false
"""


def containerd_file(settings: Settings) -> Path:
    """Where containerd's configuration is."""
    return settings.etc / "containerd.toml"


def kubelet_file(settings: Settings) -> Path:
    """Where the kubelet's configuration is."""
    return settings.etc / "kubelet.json"


def proxy_file(settings: Settings) -> Path:
    """Where kube-proxy's configuration is."""
    return settings.etc / "kube-proxy.json"


def write(settings: Settings, *, pause_image: str, runc: Path, cni_bin: Path) -> None:
    """Write all of them."""
    containerd = _CONTAINERD.format(
        root=settings.containerd_root,
        state=settings.containerd_state,
        socket=settings.containerd_socket,
        pause=pause_image,
        cni_bin=cni_bin,
        cni_conf=settings.etc / "cni",
        runc=runc,
        runc_root=settings.run / "runc",
    )
    write_if_changed(containerd_file(settings), containerd)
    write_if_changed(settings.etc / "cni" / "10-local.conflist", json.dumps(_cni(settings), indent=1))
    write_if_changed(kubelet_file(settings), json.dumps(_kubelet(settings), indent=1))
    write_if_changed(proxy_file(settings), json.dumps(_proxy(settings), indent=1))
    # Names outside the cluster are nobody's business here: the cluster's DNS refuses them at once.
    write_if_changed(settings.etc / "resolv.conf", f"nameserver {settings.dns_ip}\n")


def _cni(s: Settings) -> dict[str, Any]:
    # A routed link per pod rather than a bridge: packets between two pods then pass the node's rules, and Services
    # work without the kernel's bridge filter, which is a module that may be missing and a setting of the whole machine.
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": s.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(s.run / "cni"),
    }
    return {
        "cniVersion": "0.4.0",
        "name": CNI_NETWORK,
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}],
    }


def _kubelet(s: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": s.node_ip,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(s.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(s.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(s.pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{s.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{s.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [s.dns_ip],
        "clusterDomain": "cluster.local",
        "resolvConf": str(s.etc / "resolv.conf"),
        "podLogsDir": str(s.run / "pod-logs"),
        # Only the newest file of a log is shown, and a gateway's book of a long test is to be whole.
        "containerLogMaxSize": "200Mi",
        "volumePluginDir": str(s.run / "volume-plugins"),
        "staticPodPath": "",
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        "nodeStatusUpdateFrequency": "5s",
        # Kubernetes' 10 s, 20 s, 40 s between the starts of what crashes spare a busy node; here somebody waits for it.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
        "maxPods": 200,
        # Images are imported by hand and can't be pulled again: never collect them, and never evict for disk alone
        # before the disk is really full.
        "imageGCHighThresholdPercent": 100,
        "imageMaximumGCAge": "0s",
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "enableProfilingHandler": False,
    }


def _proxy(s: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "bindAddress": s.node_ip,
        "clientConnection": {"kubeconfig": str(s.etc / "kube-proxy.kubeconfig")},
        "clusterCIDR": s.pod_cidr,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # Zero leaves the machine's own limits alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
        "oomScoreAdj": 0,
    }
