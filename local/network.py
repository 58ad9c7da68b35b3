"""The node's own interface, the route to Services, kernel settings, and what is left of them."""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from local.errors import LocalError
from local.files import write_if_changed
from local.packages import find
from local.settings import Settings
from local.shell import run, works

_PROC_SYS = Path("/proc/sys")
# What the kubelet, kube-proxy and the CNI plugin set for the whole machine. `down` puts the old values back.
KERNEL_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_NFT_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def ensure(settings: Settings) -> None:
    """Give the node an interface with its address, and route Services' addresses from the host."""
    if not was_touched(settings):
        _refuse_foreign_rules()
    _remember_kernel_settings(settings)
    (_PROC_SYS / "net/ipv4/ip_forward").write_text("1")
    if not _exists(settings.bridge):
        _refuse_overlap(settings)
        _ip("link", "add", settings.bridge, "type", "bridge")
    _ip("address", "replace", f"{settings.node_ip}/32", "dev", settings.bridge)
    _ip("link", "set", settings.bridge, "up")
    # Without it a machine that has no default route cannot even send to a Service's address.
    _ip("route", "replace", settings.service_cidr, "dev", settings.bridge, "src", settings.node_ip)


def remove(settings: Settings) -> None:
    """Remove interfaces, rules and routes of ours and put the kernel settings back."""
    # kube-proxy's tables and the pods' interfaces carry nobody's name: without our note they are somebody else's.
    if was_touched(settings):
        for family, table in _rules():
            run([find("nft") or "nft", "delete", "table", family, table])
        _wait_for_pod_interfaces(settings)
    if _exists(settings.bridge):
        _ip("link", "delete", settings.bridge)
    _restore_kernel_settings(settings)


def was_touched(settings: Settings) -> bool:
    """Whether an `up` of ours has changed this machine's network and no `down` has put it back."""
    return _saved(settings).exists()


def leftovers(settings: Settings, *, touched: bool) -> list[str]:
    """Name what of ours is still on the machine; `touched` says whether rules and pod interfaces were ours."""
    left = [settings.bridge] if _exists(settings.bridge) else []
    if touched:
        left += [f"interface {name}" for name in _pod_interfaces(settings)]
        left += [f"nftables {family} {table}" for family, table in _rules()]
    return left


def _rules() -> list[tuple[str, str]]:
    """kube-proxy's tables that are there."""
    nft = find("nft")
    return [pair for pair in _NFT_TABLES if nft and works([nft, "list", "table", *pair])]


def _refuse_foreign_rules() -> None:
    if _rules():
        problem = "this machine already has nftables rules of another kube-proxy (table kube-proxy)"
        raise LocalError(problem, "use a machine that is no Kubernetes node, or delete those tables with nft")


def check_ports(wanted: Iterable[tuple[str, str, int]]) -> None:
    """Refuse ports that someone else listens on; wanted are (component, address, port)."""
    for component, address, port in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    continue  # our address is not up yet: then nobody can listen on it
                where = f"port {port} on {address}, wanted by {component}"
                raise LocalError(f"{where}, is taken{_listener(port)}", "end that program") from None


def _listener(port: int) -> str:
    """Say who listens on a port, as far as /proc tells."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return f" by pid {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue
    return ""


def _refuse_overlap(settings: Settings) -> None:
    ours = {
        "SAMPLER_ROLLOUTS_NODE_IP": f"{settings.node_ip}/32",
        "SAMPLER_ROLLOUTS_POD_CIDR": settings.pod_cidr,
        "SAMPLER_ROLLOUTS_SERVICE_CIDR": settings.service_cidr,
    }
    for route in json.loads(_ip("-json", "-4", "route", "show")):
        if route["dst"] == "default":
            continue
        there = ipaddress.IPv4Network(route["dst"], strict=False)
        for variable, cidr in ours.items():
            if there.overlaps(ipaddress.IPv4Network(cidr)):
                problem = (
                    f"this machine already has a route to {there} by {route.get('dev', '?')}, which overlaps {cidr}"
                )
                raise LocalError(problem, f"choose another range with {variable}")


def _pod_interfaces(settings: Settings) -> list[str]:
    """Interfaces to pods: those that have a route into the pods' range."""
    pods = ipaddress.IPv4Network(settings.pod_cidr)
    routes = [r for r in json.loads(_ip("-json", "-4", "route", "show")) if r["dst"] != "default"]
    found = {r["dev"] for r in routes if ipaddress.IPv4Network(r["dst"], strict=False).subnet_of(pods)}
    return sorted(name for name in found if name.startswith("veth"))


def _wait_for_pod_interfaces(settings: Settings) -> None:
    """They go with their network namespaces, a moment after the last process; what stays is removed."""
    deadline = time.monotonic() + 5
    while _pod_interfaces(settings) and time.monotonic() < deadline:
        time.sleep(0.05)
    for name in _pod_interfaces(settings):
        works(["ip", "link", "delete", name])


def _exists(interface: str) -> bool:
    # Not by /sys: it shows the network namespace in which it was mounted, which need not be ours.
    return works(["ip", "link", "show", interface])


def _ip(*args: str) -> str:
    return run(["ip", *args])


def _saved(settings: Settings) -> Path:
    return settings.run / "kernel-settings.json"


def _remember_kernel_settings(settings: Settings) -> None:
    if _saved(settings).exists():
        return  # the values before the first `up` count, not those that a crashed run left
    paths = {name: _PROC_SYS / name for name in KERNEL_SETTINGS}
    values = {name: path.read_text().strip() for name, path in paths.items() if path.exists()}
    write_if_changed(_saved(settings), json.dumps(values, indent=1))


def _restore_kernel_settings(settings: Settings) -> None:
    if not _saved(settings).exists():
        return
    for name, value in json.loads(_saved(settings).read_text()).items():
        path = _PROC_SYS / name
        if path.read_text().strip() != value:
            path.write_text(value)
    _saved(settings).unlink()
