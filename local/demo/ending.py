"""What is left of the demo: nothing, or with ``--keep`` a cluster to play with."""

from __future__ import annotations

import json
from string import Template

from rich.console import Console
from rich.text import Text

from local.anycluster import AnyCluster
from local.demo import install
from local.demo.agreement import ASK
from local.demo.manifests import NAME, NAMESPACE, SERVICE
from local.demo.options import TREE, Options
from local.errors import LocalError


def is_up(cluster: AnyCluster) -> bool:
    """Whether somebody's cluster lived before the demo, well or not; what has no process any more is nobody's."""
    return cluster.lives()


def close(
    cluster: AnyCluster, console: Console, options: Options, *, was_up: bool, code: int, entered: bool = True
) -> int:
    """Leave the cluster, or clean up. Return the exit code.

    ``entered``: the story has put things in, or may have; before that what is there is others'.
    """
    if options.keep:
        console.print(to_try(cluster, options), markup=False, soft_wrap=True)
        return code
    try:
        _clean(cluster, console, was_up=was_up, entered=entered)
    except KeyboardInterrupt:
        console.print(f"interrupted while cleaning up: {cluster.rest}")
        return 130
    except LocalError as error:
        console.print(Text(f"cleaning up failed: {error.text()}", style="red"))
        return code or 1
    return code


def _clean(cluster: AnyCluster, console: Console, *, was_up: bool, entered: bool) -> None:
    if was_up and not entered:
        cluster.leave(refused=True)
    elif was_up:
        console.print(
            f"{cluster.name} was up before the demo and stays so; taking out what the demo put into it (not the CRDs)"
        )
        install.remove(cluster)
        cluster.leave()
    else:
        console.print("taking the cluster down (KEEP=1 leaves it)")
        cluster.down()


def to_try(cluster: AnyCluster, options: Options) -> str:
    """Commands for a user who wants to look around."""
    return Template(cluster.to_try.read_text(encoding="utf-8")).substitute(
        kubeconfig=cluster.kubeconfig,
        bin=cluster.settings.bin,
        cluster=cluster.name,
        monitoring=cluster.prometheus.namespace,
        role=cluster.prometheus.role,
        namespace=NAMESPACE,
        name=NAME,
        service=SERVICE,
        model=options.served_model,
        request=json.dumps(ASK.body(options.served_model)),
        out=options.out,
        tree=TREE,
        release=install.RELEASE,
        operator_namespace=install.OPERATOR_NAMESPACE,
    )
