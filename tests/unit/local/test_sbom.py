"""The form of a bill of materials, and how it is held against what is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local import sbom
from tests.support.bills import differences

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib
Version: 1:1.2.13.dfsg-1
Description: compression library - runtime
 Version: 9 is what this line is not about.

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 12.2.0-14+deb12u1
"""
REPORT: dict[str, Any] = {
    "install": [
        {
            "metadata": {"name": "Prometheus_Client", "version": "0.22.1"},
            "download_info": {"url": "https://example.com/x.whl", "archive_info": {"hashes": {"sha256": "ab" * 32}}},
        }
    ]
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nNAME="Debian GNU/Linux"\n')
    return tmp_path


def test_a_bill_names_the_system_its_packages_and_those_of_python(root: Path) -> None:
    made = sbom.bill("operator", root, [REPORT])
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"] == {"type": "container", "bom-ref": "operator", "name": "operator"}
    assert made["components"] == [
        {"type": "operating-system", "bom-ref": "debian-12", "name": "debian", "version": "12"},
        *(
            {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}
            for name, version, purl, more in (
                (
                    "libstdc++6",
                    "12.2.0-14+deb12u1",
                    "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
                    {},
                ),
                (
                    "zlib1g",
                    "1:1.2.13.dfsg-1",
                    "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64&distro=debian-12",
                    {},
                ),
                (
                    "Prometheus_Client",
                    "0.22.1",
                    "pkg:pypi/prometheus-client@0.22.1",
                    {"hashes": [{"alg": "SHA-256", "content": "ab" * 32}]},
                ),
            )
        ),
    ]


def test_it_says_neither_when_nor_from_where(root: Path) -> None:
    """The same content makes the same layer, and a mirror's address is nobody's business."""
    text = json.dumps(sbom.bill("operator", root, [REPORT]))
    assert text == json.dumps(sbom.bill("operator", root, [REPORT]))
    assert "timestamp" not in text
    assert "serialNumber" not in text
    assert "example.com" not in text


def test_a_package_too_many_or_too_few_is_seen(root: Path) -> None:
    made = sbom.bill("operator", root, [REPORT])
    installed = [
        ["deb", "zlib1g", "1:1.2.13.dfsg-1"],
        ["deb", "libstdc++6", "12.2.0-14+deb12u1"],
        ["pypi", "prometheus-client", "0.22.1"],
    ]
    assert differences(made, installed) == set()
    assert differences(made, [*installed, ["pypi", "seeded", "1.0"]]) == {"+ pypi seeded 1.0"}
    assert differences(made, [*installed[1:], ["deb", "zlib1g", "1:1.3"]]) == {
        "- deb zlib1g 1:1.2.13.dfsg-1",
        "+ deb zlib1g 1:1.3",
    }
