"""Holds an image's bill of materials against what is installed in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LISTING = """
import json, os, pathlib, re, subprocess, sys

def installed():
    for folder, below, files in os.walk("/"):
        if folder in ("/proc", "/sys", "/dev"):
            below.clear()
        elif folder.endswith((".dist-info", ".egg-info")) and not folder.startswith("/usr/lib/python3/dist-packages/"):
            for name in {"METADATA", "PKG-INFO"} & set(files):
                text = pathlib.Path(folder, name).read_text()
                yield ["pypi", *(re.search(f"^{field}: (.*)$", text, re.M).group(1) for field in ("Name", "Version"))]
    shown = ("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n")
    for line in subprocess.run(shown, check=True, capture_output=True, text=True).stdout.splitlines():
        status, name, version = line.split()
        if status == "installed":
            yield ["deb", name, version]

bill = json.loads(pathlib.Path(sys.argv[1]).read_text())
before = list(installed())
seeded = pathlib.Path("/tmp/seeded-1.0.dist-info")
seeded.mkdir()
seeded.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: Seeded_package\\nVersion: 1.0\\n")
print(json.dumps({"bill": bill, "installed": before, "seeded": list(installed())}))
"""
"""What runs in an image: prints its bill, what is installed, and that again after a package more has come.

What Debian's packages bring of Python is theirs, and not listed twice.
"""


def differences(bill: Mapping[str, Any], installed: list[list[str]]) -> set[str]:
    """What is only in one of them: ``+ pypi name version`` is installed and not in the bill."""
    listed = {
        (kind, _normal(kind, one["name"]), one["version"])
        for one in bill["components"]
        for kind in re.findall("^pkg:([a-z]+)/", one.get("purl", ""))
    }
    found = {(kind, _normal(kind, name), version) for kind, name, version in installed}
    return {f"+ {' '.join(one)}" for one in found - listed} | {f"- {' '.join(one)}" for one in listed - found}


def _normal(kind: str, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name
