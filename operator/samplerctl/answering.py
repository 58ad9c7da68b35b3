"""How every command answers: JSON or a table, or one line that says what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from samplerctl.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def show(found: dict[str, Any], table: Callable[[dict[str, Any]], None], as_json: bool) -> None:
    """Print a result for machines, or for people."""
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False, indent=2))
    else:
        table(found)


def refuse(error: InputError) -> NoReturn:
    """Say what is wrong with what was given, and end with 2."""
    typer.echo(str(error), err=True)
    raise typer.Exit(2)
