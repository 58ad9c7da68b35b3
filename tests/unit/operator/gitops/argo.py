"""Argo CD's Lua sandbox as it is without ``useOpenLibs``: base, table, package, and of ``os`` only time and date."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lupa.lua51 as lupa
import yaml

SETTINGS = Path(__file__).parents[4] / "examples" / "gitops" / "argocd" / "argocd-cm.yaml"
_MISSING = ("string", "math", "io", "debug", "coroutine", "dofile", "loadfile", "python")
_SAFE_OS = "os = {time = os.time, date = os.date}; package.loaded.os = os"
# Literals have methods through this table: s:format() must fail here as it does there.
_NO_METHODS = 'getmetatable("").__index = nil'


def _setting(what: str) -> str:
    found: str = yaml.safe_load(SETTINGS.read_text())["data"][
        f"resource.customizations.{what}.samplerrollouts.io_SamplerRollout"
    ]
    return found


def health(body: dict[str, Any]) -> dict[str, Any]:
    """Status and message."""
    return _run(_setting("health"), body)


def offered(body: dict[str, Any]) -> set[str]:
    """The actions that can be chosen."""
    shown = _run(yaml.safe_load(_setting("actions"))["discovery.lua"], body)
    return {name for name, action in shown.items() if not action["disabled"]}


def actions() -> dict[str, str]:
    """The scripts by name."""
    return {one["name"]: one["action.lua"] for one in yaml.safe_load(_setting("actions"))["definitions"]}


def act(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The object as Argo CD would patch it."""
    return _run(actions()[name], body)


def _run(script: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a script returns for an object, both as JSON has them."""
    runtime = lupa.LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    runtime.execute(_NO_METHODS)
    runtime.execute(_SAFE_OS)
    for name in _MISSING:
        runtime.execute(f"{name} = nil; package.loaded.{name} = nil")
    runtime.globals()["obj"] = _to_lua(runtime, body)
    result = _from_lua(runtime.execute(script))
    assert isinstance(result, dict), f"returned {result!r}"
    return _cleaned(result, body)


def _to_lua(runtime: lupa.LuaRuntime, value: Any) -> Any:
    if isinstance(value, dict):
        return runtime.table_from({key: _to_lua(runtime, item) for key, item in value.items()})
    if isinstance(value, list):
        return runtime.table_from([_to_lua(runtime, item) for item in value])
    return value


def _from_lua(value: Any) -> Any:
    if lupa.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys == list(range(1, len(keys) + 1)):  # an empty table too: Lua knows no empty object
        return [_from_lua(value[key]) for key in keys]
    return {key: _from_lua(value[key]) for key in keys}


def _cleaned(new: Any, old: Any) -> Any:
    """What was an empty object stays one: Argo CD mends this after an action."""
    if isinstance(new, list) and isinstance(old, dict) and not new:
        return copy.deepcopy(old)
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _cleaned(item, old.get(key)) for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_cleaned(item, old[at] if at < len(old) else None) for at, item in enumerate(new)]
    return new
