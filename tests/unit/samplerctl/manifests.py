"""Manifests as people write them, and whether they are taken: fed to `samplerctl validate` and to a real API server,
through kubectl, which must agree.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "registry.example.com/sampler@sha256:" + "0" * 64
HEAD = "apiVersion: samplerrollouts.io/v1alpha1\nkind: "


@dataclass(frozen=True)
class Manifest:
    """What is taken has nothing to be ``said``: of what is not, a part of the offline words."""

    name: str
    text: str
    said: str = ""

    @property
    def taken(self) -> bool:
        return not self.said


def rollout(pool: str = "replicas: 2", metadata: str = "", spec: str = "paused: false", more: str = "") -> str:
    """A small SamplerRollout in YAML, and what is added: a line of its pool, metadata, spec, or beside them."""
    pools = f"  pools:\n  - name: cpu-a\n    image: {IMAGE}\n    {pool}\n"
    quality = '  quality: {designEffect: "1"}\n'
    return f"{HEAD}SamplerRollout\nmetadata:\n  name: chat\n  {metadata}\n{more}\nspec:\n  {spec}\n{quality}{pools}"


def template(name: str = "eval-score", more: str = "") -> str:
    """A ClusterCheckTemplate."""
    spec = "spec: {gauge: eval_score, runsMetric: eval_runs_total}"
    return f"{HEAD}ClusterCheckTemplate\nmetadata: {{name: {name}}}\n{spec}\n{more}"


NUMBERS = ["5", "1.0", "1e3", "1E5", "08", "010", "0o17", "0x1F", "0b11", "1_000", "+5", ".5", "5.", ".1_0", "-0"]
TRUE_OR_FALSE = ["y", "Y", "n", "N", "yes", "No", "on", "OFF", "True"]
TEXTS = [
    "12:30",
    "1:30:00",
    "2026-11-27",
    "2026-11-27T10:00:00Z",
    "=",
    "<<",
    "_1",
    "0o8",
    "1.2.3",
    "1e999",
    "yEs",
    "0b102",
    "._1",
    "nan",
    "0x",
]
VALUES = {
    **{text: f'write it in quotation marks: "{text}"' for text in NUMBERS},
    **dict.fromkeys(TRUE_OR_FALSE, "YAML reads it as true or false: write it in quotation marks"),
    **dict.fromkeys([*TEXTS, "!!str 5", "", "~"], ""),
    ".inf": ".inf: JSON has no such number",
    '"\\ud83d"': "half a character",
    '"a\\/b"': "unknown escape character",
}
"""Of an environment variable, for which a text is asked."""
REPLICAS = {
    **dict.fromkeys(["2.0", "2e0", "0x2", "1_0", "02"], ""),
    **dict.fromkeys(["2.5", "1e-1", "2:0", "yes"], "spec.pools[0].replicas: must be an integer"),
    "2\t# two": "",
}
IN_POOL = {
    "foo: null": "spec.pools[0].foo: unknown field",
    "y: 1": "spec.pools[0].true: unknown field",
    "~: 1": "a key must be a text",
    "template: null": "",
    "template: {args: [--at, 12:30]}": "",
    "template: {args: [--at, 1e3]}": 'args[1]: write it in quotation marks: "1e3"',
    "template: {args: [a, null]}": "args[1]: must be a string",
    "template: {foo: null}": "spec.pools[0].template.foo: unknown field",
    "template: {nodeSelector: {a: null}}": "",
    "template: {nodeSelector: {a: y}}": "YAML reads it as true or false",
    "template: {nodeSelector: {1: a}}": "",
    "template: {resources: {limits: {cpu: ~}}}": "",
    "template: {resources: {limits: {cpu: 2.0, memory: 0x10}}}": "",
    "template: {resources: {limits: {cpu: 0.5}}}": 'write it in quotation marks: "0.5"',
    "<<: {platform: cpu}": "",
    "<<: {replicas: 0}": "greater than or equal to 1",
}
IN_SPEC = {
    "foo: ~": "spec.foo: unknown field",
    "strategy: ~": "",
    "strategy: {steps: [{pause: {a: ~}}, {weight: 5, minDuration: 5m}]}": "",
}
IN_METADATA = {
    'labels: {team: "my team"}': "metadata.labels.team: must be a label's value",
    f"labels: {{team: {'a' * 64}}}": "metadata.labels.team: must be a label's value",
    "labels: {team: -a}": "metadata.labels.team: must be a label's value",
    'labels: {team: ""}': "",
    "labels: {team: null}": "",
    "labels: {team: y}": "metadata.labels.team: YAML reads it as true or false",
    "labels: {team: {a: b}}": "metadata.labels.team: must be a text",
    "labels: [team]": "metadata.labels: must be a map of texts",
    'labels: {"my team": chat}': "metadata.labels: my team: must be a key",
    "labels: {a/b/c: chat}": "metadata.labels: a/b/c: must be a key",
    "labels: {Example.com/team: chat}": "metadata.labels: Example.com/team: must be a key",
    f"labels: {{{'a' * 254}/team: chat}}": "must be a key",
    "labels: {example.com/team: chat, 1: chat}": "",
    'annotations: {Team.example/A: "my team: you"}': "",
    'annotations: {"a b": c}': "metadata.annotations: a b: must be a key",
    "annotations: {at: 08}": 'metadata.annotations.at: write it in quotation marks: "08"',
    "annotations: {at: 12:30, on: a, off: null}": "",
    f"annotations: {{a: {'x' * 262144}}}": "metadata.annotations: have more than 262144 bytes together",
    f"annotations: {{a: {'x' * 262143}}}": "",
    "namespace: Foo_Bar": "must be a namespace's name",
    "namespace: a.b": "must be a namespace's name",
    f"namespace: {'a' * 64}": "must be a namespace's name",
    "namespace: 08": 'metadata.namespace: write it in quotation marks: "08"',
    "finalizers: [example.com/keep]": "",
    'finalizers: ["a b"]': "metadata.finalizers[0]: must be a name",
    "finalizers: keep": "metadata.finalizers: must be a list",
    "ownerReferences: [{apiVersion: v1, kind: A, name: a}]": "metadata.ownerReferences[0].uid: is required",
    'ownerReferences: [{apiVersion: v1, kind: A, name: a, uid: "1"}]': "",
    'ownerReferences: [{apiVersion: v1, kind: A, name: a, uid: "1", a: b}]': "ownerReferences[0].a: unknown field",
    "ownerReferences: [{apiVersion: v1, kind: A, name: a, uid: 1}]": 'uid: write it in quotation marks: "1"',
    "generateName: a_b-": "metadata.generateName: must be the beginning of a name",
    "generateName: chat-": "",
    'namespace: ""': "",
    "foo: null": "metadata.foo: unknown field",
    "creationTimestamp: null": "",
    "creationTimestamp: now": "metadata.creationTimestamp: must be a time",
    "creationTimestamp: 2026-11-27T12:00:00Z": "",
    "creationTimestamp: 2026-11-27 12:00:00Z": "metadata.creationTimestamp: must be a time",
    "managedFields: [{}]": "",
    "managedFields: [1]": "metadata.managedFields[0]: must be a map of fields",
    "generation: 1.5": "metadata.generation: must be an integer",
}
JSON = r"""{
\t"apiVersion": "samplerrollouts.io/v1alpha1",
\t"kind": "SamplerRollout",
\t"metadata": {"name": "chat"},
\t"spec": {"quality": {"designEffect": "1"}, "pools": [
\t\t{"name": "cpu-a", "replicas": 2.0, "image": "IMAGE",
\t\t"template": {"env": [{"name": "A", "value": "\ud83d\ude00 \/"}]}}]}
}
""".replace("IMAGE", IMAGE).replace(r"\t", "\t")
WHOLE = {
    "a status": (rollout(more="status: {stage: Serving}"), ""),
    "an unknown status": (rollout(more="status: {pools: [{name: a, foo: b}]}"), "status.pools[0].foo: unknown field"),
    "a spec that is a list": (f"{HEAD}SamplerRollout\nmetadata: {{name: a}}\nspec: []\n", "spec: must be a map"),
    "a template": (template(), ""),
    "a template's name with a dot": (template("1.eval"), "metadata.name must be lower-case letters, digits and dashes"),
    "a template's name that is long": (template("a" * 41), "at most 40"),
    "a template with a status": (template(more="status: {}\n"), "status: unknown field"),
    "JSON that is indented by tabs": (JSON, ""),
    "YAML after JSON": (f"{JSON}---\n{rollout()}", ""),
    "something after its dashes": (f"--- {{}}\n{rollout()}", "nothing but a comment may stand behind ---"),
    "what is of no kind beside it": (
        f"{rollout()}---\nKind: SamplerRollout\n",
        "document 2: kind: is required: add it",
    ),
    "a text beside it": (f"{rollout()}---\ntext\n", "document 2: kind: is required: add it"),
    "another kind beside it": (f"{rollout()}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: chat}}\n", ""),
    "a comment after its dashes": (f"--- # one\n{rollout()}---\n---\n", ""),
}
MANIFESTS = [
    *(
        Manifest(f"value {text}", rollout(f"replicas: 2\n    template: {{env: [{{name: A, value: {text}}}]}}"), said)
        for text, said in VALUES.items()
    ),
    *(Manifest(f"replicas {text}", rollout(f"replicas: {text}"), said) for text, said in REPLICAS.items()),
    *(Manifest(f"pool {text}", rollout(f"replicas: 2\n    {text}"), said) for text, said in IN_POOL.items()),
    *(Manifest(f"spec {text}", rollout(spec=text), said) for text, said in IN_SPEC.items()),
    *(Manifest(f"metadata {text[:80]}", rollout(metadata=text), said) for text, said in IN_METADATA.items()),
    *(Manifest(name, text, said) for name, (text, said) in WHOLE.items()),
]
