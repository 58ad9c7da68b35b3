"""Writes an image's bill of materials while the image is built: CycloneDX 1.6, as JSON.

It runs there as a file by itself, with the standard library alone: Debian's packages by dpkg's record, Python's by the
reports of pip, which has held each file against the hashes of the requirements. Without time and serial number: the
same content makes the same layer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

SPEC_VERSION = "1.6"
_DPKG = Path("var/lib/dpkg/status")
_RELEASE = Path("etc/os-release")
Component = dict[str, Any]


def bill(name: str, root: Path, reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The bill of an image ``name`` with the file system ``root``, into which pip installed what it reported."""
    release = _release((root / _RELEASE).read_text())
    found = [_system(release), *debian((root / _DPKG).read_text(), release)]
    found += [component for report in reports for component in python(report)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": name, "name": name}},
        "components": sorted(found, key=lambda component: component["bom-ref"]),
    }


def python(report: Mapping[str, Any]) -> Iterator[Component]:
    """What a run of pip installed, each with the hash of the file that it came from."""
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        normal = re.sub(r"[-_.]+", "-", name).lower()
        yield _library(name, version, f"pkg:pypi/{normal}@{quote(version)}") | {
            "hashes": [{"alg": "SHA-256", "content": digest}]
        }


def debian(status: str, release: Mapping[str, str]) -> Iterator[Component]:
    """The installed packages in dpkg's record."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            distro = f"{release['ID']}-{release['VERSION_ID']}"
            purl = (
                f"pkg:deb/{release['ID']}/{quote(name)}@{quote(version)}?arch={fields['Architecture']}&distro={distro}"
            )
            yield _library(name, version, purl)


def _library(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _system(release: Mapping[str, str]) -> Component:
    name, version = release["ID"], release["VERSION_ID"]
    return {"type": "operating-system", "bom-ref": f"{name}-{version}", "name": name, "version": version}


def _release(text: str) -> dict[str, str]:
    """The variables of os-release."""
    return {name: value.strip("\"'") for name, value in re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: prints the bill of the machine (an image's build) on which it runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the image")
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="of pip install --report")
    options = parser.parse_args(argv)
    reports = [json.loads(path.read_text()) for path in options.reports]
    json.dump(bill(options.name, Path("/"), reports), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
