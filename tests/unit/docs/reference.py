"""docs/reference.md from the code: ``python -m tests.unit.docs.reference`` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import typer
from prometheus_client import CollectorRegistry
from sampler_rollouts.crd import definition, pool_definition, template_definition
from sampler_rollouts.domain.rules import CEL_KEY
from sampler_rollouts.handlers.loop import ReconcileLoop
from sampler_rollouts.handlers.options import _parser, variable
from sampler_rollouts.handlers.post_telemetry import PostTelemetry
from sampler_rollouts.handlers.telemetry import Telemetry
from sampler_rollouts.metrics.config import MetricsSources
from samplerctl.app import app
from samplerd.cli import make_app
from samplerd.context_classes import ContextClasses
from samplerd.metrics import Metrics
from samplerd.probing.tally import Tally

from tests.support import pages

PAGE = pages.DOCS / "reference.md"
MAKER = "python -m tests.unit.docs.reference"
FIELDS = ["field", "type", "default", "meaning"]
METRICS = ["metric", "kind", "labels", ""]
FORMATS = {"duration": "duration", "path": "path of a mounted file", "date-time": "time"}
Node = dict[str, Any]


def page() -> list[str]:
    """The whole of it."""
    return [
        *("## `spec`", "", *table(FIELDS, fields(spec()))),
        *("", "## Rules of the API server", "", *table(["where", "what is refused"], rules(spec()))),
        *("", "## `status`", "", *table(["field", "type", "meaning"], (row[:2] + row[3:] for row in fields(status())))),
        *("", "## `spec` of a ClusterCheckTemplate", "", *table(FIELDS, fields(template()))),
        *("", "## Rules for a ClusterCheckTemplate", "", *table(["where", "what is refused"], rules(template()))),
        *("", "## `spec` of a SamplerPool", "", *table(FIELDS, fields(_part(pool_definition(), "spec")))),
        *("", "## `status` of a SamplerPool", "", *table(FIELDS, fields(_part(pool_definition(), "status")))),
        *("", "## The operator's configuration file", "", *table(FIELDS, fields(configuration()))),
        *("", "## Metrics of the operator", "", *table(METRICS, of_operator())),
        *("", "## Metrics of our sampler server", "", *table(METRICS, of_samplers())),
        *("", "## Metrics of the prober", "", *table(METRICS, of_prober())),
        *("", "## Flags of the operator", "", *table(["flag", "variable", "default", ""], flags())),
        *("", "## Commands of `samplerctl`", "", *table(["command", ""], commands())),
        *("", "### Its options", "", *table(["option", "commands", "default", ""], options_of_samplerctl())),
        *("", "## Commands of `samplerd`", *of_samplerd()),
    ]


def table(head: list[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines]


def spec() -> Node:
    """Of a SamplerRollout."""
    return _part(definition(), "spec")


def status() -> Node:
    """Of a SamplerRollout."""
    return _part(definition(), "status")


def template() -> Node:
    """The spec of a ClusterCheckTemplate."""
    return _part(template_definition(), "spec")


def _part(crd: Node, part: str) -> Node:
    (version,) = crd["spec"]["versions"]
    found: Node = version["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def configuration() -> Node:
    """Of the operator's file, as the API server's schemas are: without references and nulls."""
    source = MetricsSources.model_json_schema(by_alias=True)
    found: Node = _plain(source, source["$defs"])
    return found


def _plain(node: Any, known: Node) -> Any:
    if isinstance(node, list):
        return [_plain(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    if "patternProperties" in node:
        (each,) = node["patternProperties"].values()
        node = node | {"additionalProperties": each, "patternProperties": {}}
    if "anyOf" in node:
        (only,) = [one for one in node["anyOf"] if one.get("type") != "null"]
        node = {key: value for key, value in node.items() if key not in ("anyOf", "default")} | only | _said(node)
    if "$ref" in node:
        node = known[node["$ref"].removeprefix("#/$defs/")] | _said(node)
    if node.get("type") == "number":  # nothing else that is counted there is not whole
        node = node | {"format": "duration", "minimum": node["ge"], "maximum": node["le"]}
    return {key: _plain(value, known) for key, value in node.items() if key != "$defs"}


def _said(node: Node) -> Node:
    """What a field says of itself is nearer than what its type says."""
    return {key: node[key] for key in ("description", "default") if node.get(key) is not None}


def fields(schema: Node) -> Iterator[tuple[str, ...]]:
    """Path, type, default and description of each field. What was described in full once is named from then on."""
    seen: dict[str, str] = {}
    for path, node, needed in _nodes(schema, ""):
        inner = json.dumps(node, sort_keys=True) if "properties" in _below(node) else ""
        known = seen.setdefault(inner, path) if inner else path
        meaning = node.get("description", "") or _below(node).get("description", "")
        if known != path:
            meaning += f" As `{known}`."
        yield f"`{path}`", _type(node), "required" if needed else _default(node), meaning.replace("``", "`")


def _nodes(node: Node, path: str, seen: set[str] | None = None) -> Iterator[tuple[str, Node, bool]]:
    seen = set() if seen is None else seen
    for name, child in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, child, name in node.get("required", ())
        inner = json.dumps(_below(child), sort_keys=True)
        if "properties" in _below(child) and inner not in seen:
            seen.add(inner)
            each = "[]" if child.get("type") == "array" else "" if "properties" in child else ".NAME"
            yield from _nodes(_below(child), here + each, seen)


def _below(node: Node) -> Node:
    """Of a list, or a map, what it holds."""
    while node.get("type") == "array" or isinstance(node.get("additionalProperties"), dict):
        node = node["items"] if node.get("type") == "array" else node["additionalProperties"]
    return node


def _type(node: Node) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = str(node["type"])
    if kind == "array":
        most = f", at most {node['maxItems']}" if "maxItems" in node else ""
        return f"list of {_type(node['items'])}{most}"
    if "enum" in node:
        return " or ".join(f"`{one}`" if one else "empty" for one in node["enum"])
    if kind == "object":
        return "map" if isinstance(node.get("additionalProperties"), dict) else "object"
    low, high = node.get("minimum"), node.get("maximum")
    if node.get("format") in FORMATS:
        kind = FORMATS[node["format"]]
    unit = "s" if node.get("format") == "duration" else ""
    span = f" {low}{unit} to {high}{unit}" if None not in (low, high) else f" from {low}" if low is not None else ""
    return kind + span


def _default(node: Node) -> str:
    if "default" not in node or "properties" in node:
        return ""
    if node.get("format") == "duration":
        return f"`{node['default']:g}s`"
    return f"`{json.dumps(node['default'])}`"


def rules(schema: Node) -> Iterator[tuple[str, ...]]:
    """CEL's messages, each where it is held: of a list at the list, of its items there too."""
    for path, node, _ in [("spec", schema, True), *_nodes(schema, "")]:
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
            (flag,) = action.option_strings
            shown = "" if action.default in (None, "", False) else f"`{action.default}`"
            name = "" if action.dest == "check" else f"`{variable(flag.removeprefix('--'))}`"
            yield f"`{flag}`", name, shown, action.help or ""


def commands() -> Iterator[tuple[str, ...]]:
    """Each with its arguments and the first sentence of its help."""
    for name, command in _samplerctl():
        places = [option.name for option in command.params if option.param_type_name == "argument"]
        first = re.split(r"(?<=[.])\s", command.help or "", maxsplit=1)[0]
        yield f"`{' '.join([name, *places])}`", first


def options_of_samplerctl() -> Iterator[tuple[str, ...]]:
    """Each once, with the commands that take it so."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, command in _samplerctl():
        for one in command.params:
            if one.param_type_name == "option":
                names, _, default, told = next(options(one))
                found.setdefault((names, default, told), []).append(name)
    every = [name for name, _ in _samplerctl()]
    for (names, default, told), takers in sorted(found.items(), key=lambda item: item[0][0].lstrip("`-")):
        of = "all" if takers == every else ", ".join(f"`{name}`" for name in takers)
        yield names, of, default, told


def _samplerctl() -> list[tuple[str, Any]]:
    group: Any = typer.main.get_command(app)
    return sorted(group.commands.items())


def of_samplerd() -> Iterator[str]:
    """A table of options for each command."""
    group: Any = typer.main.get_command(make_app())
    for name, command in group.commands.items():
        yield from ("", f"### `samplerd {name}`", "", command.help, "")
        yield from table(["flag", "variable", "default", ""], options(*command.params))


def options(*params: Any) -> Iterator[tuple[str, ...]]:
    """Both spellings, the variable of each, its default and what it is for."""
    for one in params:
        names = "`, `".join([*one.opts, *one.secondary_opts])
        shown = f"`{_told(one.default)}`" if one.default or type(one.default) in (int, float) else ""
        shown = one.show_default if isinstance(one.show_default, str) else shown
        yield f"`{names}`", f"`{one.envvar}`", "required" if one.required else shown, one.help or ""


def _told(value: Any) -> str:
    return "on" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    pages.write(PAGE, MAKER, page())
