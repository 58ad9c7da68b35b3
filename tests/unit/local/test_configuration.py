"""What the components are told: the pure part of bringing the cluster up."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local import addons, components, nodeconfig, pki, settings, tools
from local.cgroups import Cgroups, parse_mounts
from local.cluster import parser
from local.settings import Settings

_V1 = """\
20 19 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw
21 20 0:21 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
22 20 0:22 / /sys/fs/cgroup/unified rw,relatime shared:3 - cgroup2 cgroup2 rw
"""
_V2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", run=tmp_path / "run")


@pytest.fixture
def written(here: Settings) -> Settings:
    nodeconfig.write(here, pause_image="localhost/pause:1", runc=Path("/opt/runc"), cni_bin=Path("/opt/cni"))
    return here


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CACHE", "RUN", "NODE_IP", "POD_CIDR", "SERVICE_CIDR", "SCRAPE_INTERVAL"):
        monkeypatch.delenv(f"SAMPLER_ROLLOUTS_{name}", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert settings.load().cache == tmp_path / "sampler-rollouts"
    monkeypatch.setenv("SAMPLER_ROLLOUTS_CACHE", "/elsewhere")
    monkeypatch.setenv("SAMPLER_ROLLOUTS_SERVICE_CIDR", "10.50.0.0/16")
    loaded = settings.load()
    assert loaded.cache == Path("/elsewhere")
    assert (loaded.api_service_ip, loaded.dns_ip) == ("10.50.0.1", "10.50.0.10")


def test_nothing_is_written_outside_the_run_folder(written: Settings) -> None:
    """Every path that a component gets to write to is below our own folder."""
    config = tomllib.loads(nodeconfig.containerd_file(written).read_text())
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    runtime = cri["containerd"]["runtimes"]["runc"]["options"]
    for path in (config["root"], config["state"], config["grpc"]["address"], cri["cni"]["conf_dir"], runtime["Root"]):
        assert Path(path).is_relative_to(written.run)
    kubelet = yaml.safe_load(nodeconfig.kubelet_file(written).read_text())
    for key in ("podLogsDir", "volumePluginDir", "resolvConf"):
        assert Path(kubelet[key]).is_relative_to(written.run)


def test_all_components_get_a_command_line(written: Settings) -> None:
    groups = Cgroups(written.cgroup, written.cgroup_note)
    daemons = components.daemons(written, {name: Path("/bin") / name for name in components.ALL}, groups)
    assert tuple(daemons) == ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", *components.NODE)
    for daemon in daemons.values():
        flags = [word.partition("=")[0] for word in daemon.argv if word.startswith("--")]
        assert len(flags) == len(set(flags)), daemon.name


def test_the_store_listens_on_loopback_only(written: Settings) -> None:
    """Whoever reaches etcd is the cluster's master; pods reach the node's address."""
    daemon = components.daemons(written, {n: Path(n) for n in components.ALL}, Cgroups("x", written.cgroup_note))[
        "etcd"
    ]
    for word in daemon.argv:
        if "http://" in word:
            assert "http://127.0.0.1:" in word


def test_no_pod_may_be_privileged(written: Settings) -> None:
    """None of ours asks for it; the API server's default is to refuse it."""
    groups = Cgroups("x", written.cgroup_note)
    daemon = components.daemons(written, {n: Path(n) for n in components.ALL}, groups)["kube-apiserver"]
    assert not any(word.startswith("--allow-privileged") for word in daemon.argv)


def test_a_new_certificate_authority_restarts_who_uses_it(written: Settings) -> None:
    programs = {name: Path(name) for name in components.ALL}
    before = components.daemons(written, programs, Cgroups("x", written.cgroup_note))
    written.pki.mkdir()
    (written.pki / "ca.crt").write_text("new")
    after = components.daemons(written, programs, Cgroups("x", written.cgroup_note))
    changed = {name for name in components.ALL if before[name].command != after[name].command}
    assert changed == set(components.ALL) - {"etcd", "containerd"}


def test_the_api_servers_certificate_names_every_way_to_it(here: Settings) -> None:
    names = next(i.names for i in pki.identities(here) if i.file == "apiserver")
    for needed in ("IP:10.96.0.1", f"IP:{here.node_ip}", "DNS:kubernetes.default.svc", "DNS:localhost"):
        assert needed in names


def test_keys_are_made_once_and_anew_when_an_address_changes(here: Settings) -> None:
    pki.ensure(here)
    first = (here.pki / "ca.crt").read_bytes()
    pki.ensure(here)
    assert (here.pki / "ca.crt").read_bytes() == first
    assert here.kubeconfig.stat().st_mode & 0o077 == 0
    assert here.pki.stat().st_mode & 0o077 == 0
    assert yaml.safe_load(here.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == here.api_url
    pki.ensure(replace(here, node_ip="10.9.9.9"))
    assert (here.pki / "ca.crt").read_bytes() != first


def test_the_addons_are_rendered_whole(here: Settings) -> None:
    images = {"coredns": "localhost/c:1", "prometheus": "localhost/p:1"}
    objects = list(yaml.safe_load_all(addons.render(replace(here, scrape_interval="7s"), images)))
    kinds = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(kinds) == len(set(kinds))
    for namespace, name in addons.DEPLOYMENTS:
        assert any(
            o["kind"] == "Deployment" and o["metadata"] == {**o["metadata"], "name": name, "namespace": namespace}
            for o in objects
        )
    (prometheus,) = (o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "prometheus")
    # A seeded outage must last until it is ended: the kubelet would end it by a new process.
    assert "livenessProbe" not in prometheus["spec"]["template"]["spec"]["containers"][0]
    config = next(o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "prometheus")
    scrape = yaml.safe_load(config["data"]["prometheus.yml"])
    assert scrape["global"]["scrape_interval"] == "7s"
    added = {r["target_label"] for r in scrape["scrape_configs"][0]["relabel_configs"] if "target_label" in r}
    assert added == {"namespace", "pod", "rollout", "pool", "revision"}


def test_control_group_hierarchies_are_found() -> None:
    assert parse_mounts(_V1) == [
        ("cgroup", Path("/sys/fs/cgroup/memory")),
        ("cgroup2", Path("/sys/fs/cgroup/unified")),
    ]
    assert parse_mounts(_V2) == [("cgroup2", Path("/sys/fs/cgroup"))]


def test_every_hierarchy_gets_a_folder(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(_V1)
    groups = Cgroups("ours", tmp_path / "note", tmp_path / "info")
    assert groups.roots == [Path("/sys/fs/cgroup/memory/ours"), Path("/sys/fs/cgroup/unified/ours")]
    assert groups.for_daemon("etcd")[0] == Path("/sys/fs/cgroup/memory/ours/daemons/etcd")


def test_every_tools_sources_are_there_and_pinned() -> None:
    for tool in tools.TOOLS.values():
        module = (tools.SOURCES / tool.module / "go.mod").read_text()
        assert tool.package == "." or any(tool.package.startswith(line.split()[0]) for line in _required(module))
    assert f"k8s.io/kubernetes v{tools.KUBERNETES_VERSION}" in (tools.SOURCES / "kubernetes" / "go.mod").read_text()


def _required(module: str) -> list[str]:
    lines = [line.removeprefix("require ").strip() for line in module.splitlines()]
    return [line for line in lines if " v" in line]


def test_the_cache_key_names_the_module_and_its_content() -> None:
    keys = {tools.key(tool.module) for tool in tools.TOOLS.values()}
    assert len(keys) == len({tool.module for tool in tools.TOOLS.values()})
    assert all(len(key.rpartition("-")[2]) == 12 for key in keys)


@pytest.mark.parametrize("line", [["up"], ["down"], ["down", "--purge"], ["status"], ["build"]])
def test_the_command_line(line: list[str]) -> None:
    assert callable(parser().parse_args(line).act)
