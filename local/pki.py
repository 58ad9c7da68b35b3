"""Keys, certificates and kubeconfigs, made by the openssl program."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from local.files import content_hash, new_directory, write_if_changed
from local.settings import NODE_NAME, Settings
from local.shell import run


@dataclass(frozen=True)
class Identity:
    """A certificate: whose it is, and for which names and addresses."""

    file: str
    common_name: str
    organisation: str = ""
    names: tuple[str, ...] = ()


def identities(settings: Settings) -> list[Identity]:
    """Everyone who needs a certificate."""
    service = "kubernetes.default.svc"
    api_names = ("DNS:kubernetes", "DNS:kubernetes.default", f"DNS:{service}", f"DNS:{service}.cluster.local")
    addresses = (f"IP:{settings.node_ip}", f"IP:{settings.api_service_ip}", "IP:127.0.0.1", "DNS:localhost")
    masters = "system:masters"
    node = (f"IP:{settings.node_ip}", f"DNS:{NODE_NAME}")
    return [
        Identity("apiserver", "kube-apiserver", names=(*api_names, *addresses)),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", masters),
        Identity("admin", "kubernetes-admin", masters),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kubelet", f"system:node:{NODE_NAME}", "system:nodes", node),
    ]


def ensure(settings: Settings) -> None:
    """Make all keys and certificates, anew if anything about them changed, and the kubeconfigs."""
    wanted = content_hash([], *(repr(i) for i in identities(settings)))
    marker = settings.pki / "made-for"
    if not marker.exists() or marker.read_text() != wanted:
        with new_directory(settings.pki, 0o700) as tmp:
            _make_all(settings, tmp)
            (tmp / "made-for").write_text(wanted)
    for user in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"):
        write_if_changed(settings.etc / f"{user}.kubeconfig", kubeconfig(settings, user), 0o600)
    write_if_changed(settings.kubeconfig, kubeconfig(settings, "admin"), 0o600)


def kubeconfig(settings: Settings, user: str) -> str:
    """A kubeconfig with everything inside, so that a copy works too. JSON is YAML."""

    def data(name: str) -> str:
        return base64.b64encode((settings.pki / name).read_bytes()).decode()

    cluster = {"server": settings.api_url, "certificate-authority-data": data("ca.crt")}
    auth = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": user, "user": auth}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        "current-context": "local",
    }
    return json.dumps(config, indent=1)


def _make_all(settings: Settings, home: Path) -> None:
    ca = Identity("ca", "sampler-rollouts-local")
    _make(home, ca, _CA_EXTENSIONS, [])
    signed_by = ["-CA", "ca.crt", "-CAkey", "ca.key"]
    for identity in identities(settings):
        extensions = list(_LEAF_EXTENSIONS)
        if identity.names:
            extensions.append(f"subjectAltName={','.join(identity.names)}")
        _make(home, identity, extensions, signed_by)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key"], cwd=home)
    run(["openssl", "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub"], cwd=home)
    shutil.rmtree(home / "requests")


_CA_EXTENSIONS = [
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
]
_LEAF_EXTENSIONS = (
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
    "authorityKeyIdentifier=keyid",
)


def _make(home: Path, identity: Identity, extensions: list[str], signed_by: list[str]) -> None:
    # A configuration of our own: the system's would add extensions of a certificate authority to every certificate.
    subject = [f"CN={identity.common_name}"] + ([f"O={identity.organisation}"] if identity.organisation else [])
    sections = ["[req]", "distinguished_name=dn", "x509_extensions=ext", "prompt=no"]
    request = home / "requests" / f"{identity.file}.cnf"
    write_if_changed(request, "\n".join([*sections, "[dn]", *subject, "[ext]", *extensions, ""]))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", f"{identity.file}.key"]
    out = ["-out", f"{identity.file}.crt", "-days", "3650", "-sha256"]
    run(["openssl", "req", "-x509", "-config", request, *key, *out, *signed_by], cwd=home)
