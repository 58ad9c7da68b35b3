"""The one condition by which tools judge a SamplerRollout."""

from __future__ import annotations

from typing import Any

_GRAVEST_FIRST = ("Stalled", "Reconciling", "Ready")


def headline(body: dict[str, Any]) -> str:
    """``Ready FullTraffic``: the one of Ready, Reconciling and Stalled that is true; empty if none is."""
    conditions = (body.get("status") or {}).get("conditions") or []
    found = {item["type"]: item for item in conditions if item["status"] == "True"}
    return next((f"{name} {found[name]['reason']}" for name in _GRAVEST_FIRST if name in found), "")
