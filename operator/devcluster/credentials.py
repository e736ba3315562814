"""The files by which the parts of a local control plane trust each other: pki/ and the kubeconfigs, all of them mode 0600."""

import base64
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import yaml

from devcluster.certificates import Authority, Pair, service_account_keys
from devcluster.files import write_private

OPERATOR_USER = "obtask-operator"

ADMIN = "kubeconfig"
CONTROLLER_MANAGER = "controller-manager.kubeconfig"
OPERATOR = "operator.kubeconfig"

# Each kubeconfig: the file, the user in the certificate, and its group.
Clients = Mapping[str, tuple[str, str | None]]
CLIENTS: Clients = {
    ADMIN: ("obtask-admin", "system:masters"),
    CONTROLLER_MANAGER: ("system:kube-controller-manager", None),
    OPERATOR: (OPERATOR_USER, None),
}


def ensure_pki(
    pki: Path,
    clients: Clients = CLIENTS,
    servers: Mapping[str, str] = MappingProxyType({"apiserver": "kube-apiserver"}),
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
) -> None:
    """Make all keys and certificates, once; the folder appears complete or not at all.

    `servers` says who, by file; they have these names and addresses besides those of this machine.
    """
    if pki.exists():
        return
    draft = pki.with_name(pki.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    # etcd has an authority of its own: who may talk to the API server may not read the database behind its back.
    etcd, kubernetes = Authority.create("obtask-devcluster-etcd"), Authority.create("obtask-devcluster")
    write_private(draft / "etcd-ca.crt", etcd.certificate)
    _write_pair(draft, "etcd", etcd.server("etcd"))
    write_private(draft / "ca.crt", kubernetes.certificate)
    for file, name in servers.items():
        _write_pair(draft, file, kubernetes.server(name, names, addresses))
    for file, (user, group) in clients.items():
        _write_pair(draft, file, kubernetes.client(user, group))
    private, public = service_account_keys()
    write_private(draft / "sa.key", private)
    write_private(draft / "sa.pub", public)
    draft.rename(pki)


def write_kubeconfigs(folder: Path, pki: Path, url: str, clients: Clients = CLIENTS) -> None:
    """Write one kubeconfig for each client; they hold the keys themselves, so that they can be copied."""
    for file, (user, _) in clients.items():
        content = yaml.safe_dump(_kubeconfig(pki, url, file, user), sort_keys=False).encode()
        if not (folder / file).exists() or (folder / file).read_bytes() != content:
            write_private(folder / file, content)


def _kubeconfig(pki: Path, url: str, file: str, user: str) -> dict[str, object]:
    name = "obtask-devcluster"
    cluster = {"server": url, "certificate-authority-data": _base64(pki / "ca.crt")}
    credentials = {"client-certificate-data": _base64(pki / f"{file}.crt"), "client-key-data": _base64(pki / f"{file}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": "default"}}],
        "current-context": name,
    }


def _write_pair(folder: Path, name: str, pair: Pair) -> None:
    write_private(folder / f"{name}.crt", pair.certificate)
    write_private(folder / f"{name}.key", pair.key)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
