"""docs/reference.md from the code: ``python -m tests.unit.docs.reference`` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import typer
from prometheus_client import CollectorRegistry
from sampler_rollouts.crd import definition
from sampler_rollouts.domain.rules import CEL_KEY
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.options import _parser
from sampler_rollouts.handlers.post_telemetry import PostTelemetry
from sampler_rollouts.handlers.telemetry import Telemetry
from samplerctl.app import app
from samplerd.context_classes import ContextClasses
from samplerd.metrics import Metrics
from samplerd.probing.tally import Tally

from tests.support import pages

PAGE = pages.DOCS / "reference.md"
MAKER = "python -m tests.unit.docs.reference"
METRICS = ["metric", "kind", "labels", ""]
Node = dict[str, Any]


def page() -> list[str]:
    """The whole of it."""
    return [
        *("## `spec`", "", *table(["field", "type", "default", "meaning"], fields("spec"))),
        *("", "## Rules of the API server", "", *table(["where", "what is refused"], rules())),
        *("", "## `status`", "", *table(["field", "type", "meaning"], (row[:2] + row[3:] for row in fields("status")))),
        *("", "## Metrics of the operator", "", *table(METRICS, of_operator())),
        *("", "## Metrics of our sampler server", "", *table(METRICS, of_samplers())),
        *("", "## Metrics of the prober", "", *table(METRICS, of_prober())),
        *("", "## Flags of the operator", "", *table(["flag", "default", ""], flags())),
        *("", "## Commands of `samplerctl`", "", *table(["command", "options", ""], commands())),
    ]


def table(head: list[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines]


def schema(part: str) -> Node:
    """Of spec or status."""
    (version,) = definition()["spec"]["versions"]
    found: Node = version["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def fields(part: str) -> Iterator[tuple[str, ...]]:
    """Path, type, default and description of each field. What was described in full once is named from then on."""
    seen: dict[str, str] = {}
    for path, node, needed in _nodes(schema(part), ""):
        inner = json.dumps(node, sort_keys=True) if "properties" in _below(node) else ""
        known = seen.setdefault(inner, path) if inner else path
        meaning = node.get("description", "") or _below(node).get("description", "")
        if known != path:
            meaning += f" As `{known}`."
        yield f"`{path}`", _type(node), "required" if needed else _default(node), meaning


def _nodes(node: Node, path: str, seen: set[str] | None = None) -> Iterator[tuple[str, Node, bool]]:
    seen = set() if seen is None else seen
    for name, child in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, child, name in node.get("required", ())
        inner = json.dumps(_below(child), sort_keys=True)
        if "properties" in _below(child) and inner not in seen:
            seen.add(inner)
            yield from _nodes(_below(child), here + ("[]" if child.get("type") == "array" else ""), seen)


def _below(node: Node) -> Node:
    while node.get("type") == "array":
        node = node["items"]
    return node


def _type(node: Node) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = str(node["type"])
    if kind == "array":
        return f"list of {_type(node['items'])}, at most {node['maxItems']}"
    if "enum" in node:
        return " or ".join(f"`{one}`" if one else "empty" for one in node["enum"])
    if kind == "object":
        return "map" if "additionalProperties" in node else "object"
    low, high = node.get("minimum"), node.get("maximum")
    span = f" {low} to {high}" if None not in (low, high) else f" from {low}" if low is not None else ""
    return "time" if node.get("format") == "date-time" else kind + span


def _default(node: Node) -> str:
    if "default" not in node or "properties" in node:
        return ""
    return f"`{json.dumps(node['default'])}`"


def rules() -> Iterator[tuple[str, ...]]:
    """CEL's messages, each where it is held: of a list at the list, of its items there too."""
    for path, node, _ in [("spec", schema("spec"), True), *_nodes(schema("spec"), "")]:
        held = [node] if _below(node) is node else [node, _below(node)]
        for one in (rule for place in held for rule in place.get(CEL_KEY, ())):
            yield f"`{path}`", one["message"]


def of_operator() -> Iterator[tuple[str, ...]]:
    """All families, those of what is known of rollouts too."""
    telemetry = Telemetry()
    telemetry.watch(MagicMock(spec=ReconcileLoop))  # of the loop only names and texts are asked for
    PostTelemetry(telemetry.registry, [])
    yield from _families(telemetry.registry)


def of_samplers() -> Iterator[tuple[str, ...]]:
    """Of our server, with context classes."""
    metrics = Metrics(ContextClasses({"standard": 1, "long": 2}, "standard"))
    metrics.watch_load(lambda: 0.0, lambda: 0.0)
    metrics.set_build(model="", precision="", vocab_shards=1, revision="")
    yield from _families(metrics.registry)


def of_prober() -> Iterator[tuple[str, ...]]:
    """Of `samplerd probe`."""
    yield from _families(Tally(("one",)).registry)


def _families(registry: CollectorRegistry) -> Iterator[tuple[str, ...]]:
    for collector in list(registry._collector_to_names):
        for family in collector.describe():
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = getattr(family, "_labelnames", None) or getattr(collector, "_labelnames", ())
            yield f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation


def flags() -> Iterator[tuple[str, ...]]:
    """Of `python3 -m sampler_rollouts`."""
    for action in _parser({})._actions:
        if action.dest != "help":
            shown = "" if action.default in (None, "", False) else f"`{action.default}`"
            yield f"`{action.option_strings[0]}`", shown, action.help or ""


def commands() -> Iterator[tuple[str, ...]]:
    """Each with its options and the first sentence of its help."""
    group: Any = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):
        options = [option.opts[0] for option in command.params if option.param_type_name == "option"]
        places = [option.name for option in command.params if option.param_type_name == "argument"]
        first = re.split(r"(?<=[.])\s", command.help or "", maxsplit=1)[0]
        yield f"`{' '.join([name, *places])}`", ", ".join(f"`{one}`" for one in options), first


if __name__ == "__main__":
    pages.write(PAGE, MAKER, page())
