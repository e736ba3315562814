"""Write down what the components of a node are told: configuration files from deploy/node, and command lines."""

from collections.abc import Mapping
from pathlib import Path
from string import Template

from devcluster import components
from devcluster.binaries import Binaries
from devcluster.components import Layout, Ports
from devcluster.credentials import CONTROLLER_MANAGER, Clients, ensure_pki, write_kubeconfigs
from devcluster.node.layout import ADDRESS, API_PORT, COREDNS, DNS, PAUSE, PODS, SERVICES, Node
from devcluster.ports import LOOPBACK

SCHEDULER = "kube-scheduler.kubeconfig"
KUBELET = "kubelet.kubeconfig"
PROXY = "kube-proxy.kubeconfig"

ADMIN: Clients = {"kubeconfig": ("obtask-admin", "system:masters")}
# How the API server asks the kubelet for logs: a certificate is enough.
KUBELET_CLIENT: Clients = {"kubelet-client": ("kube-apiserver-kubelet-client", "system:masters")}

# The template in deploy/node, and the file in the state folder.
FILES = {
    "containerd.toml": "containerd.toml",
    "cni.json": "cni/10-pods.conflist",
    "kubelet.yaml": "kubelet.yaml",
    "kube-proxy.yaml": "kube-proxy.yaml",
    "coredns.yaml": "coredns.yaml",
}


def write(node: Node, sources: Path, runc: str) -> None:
    """Write everything the node reads when it starts, but for the address of its API server on this machine."""
    clients = inside(node)
    servers = {"apiserver": "kube-apiserver", "kubelet-server": f"system:node:{node.name}"}
    ensure_pki(node.pki, {**ADMIN, **KUBELET_CLIENT, **clients}, servers, names=(node.name,), addresses=(ADDRESS,))
    write_kubeconfigs(node.state, node.pki, f"https://{ADDRESS}:{API_PORT}", clients)
    for source, target in FILES.items():
        file = node.state / target
        file.parent.mkdir(exist_ok=True)
        file.write_text(rendered((sources / source).read_text(), node, runc))
    # Pods that use the node's own resolver get this one: no name server, so no query leaves the node.
    (node.state / "resolv.conf").write_text("options timeout:1 attempts:1\n")
    for phase, lines in (("first", before_api(node)), ("then", after_api(node))):
        (node.state / phase).mkdir(exist_ok=True)
        for name, words in lines.items():
            (node.state / phase / name).write_text("".join(f"{word}\n" for word in words))


def publish(node: Node, port: int) -> None:
    """Write the kubeconfig for this machine."""
    write_kubeconfigs(node.state, node.pki, f"https://{LOOPBACK}:{port}", ADMIN)


def inside(node: Node) -> Clients:
    """Return who in the node talks to the API server."""
    return {
        CONTROLLER_MANAGER: ("system:kube-controller-manager", None),
        SCHEDULER: ("system:kube-scheduler", None),
        KUBELET: (f"system:node:{node.name}", "system:nodes"),
        PROXY: ("system:kube-proxy", None),
    }


def rendered(template: str, node: Node, runc: str) -> str:
    """Fill in what is known only now; a name that is not known is an error."""
    images = {"pause": PAUSE, "coredns": COREDNS}
    addresses = {"address": ADDRESS, "pods": PODS, "dns": DNS}
    return Template(template).substitute(addresses, **images, name=node.name, state=node.state, programs=node.programs, runc=runc)


def before_api(node: Node) -> Mapping[str, list[str | Path]]:
    """Return the command lines of what needs no API server, and of the API server itself."""
    layout, ports = Layout(node.state), Ports(2379, 2380, API_PORT)
    return {
        "etcd": components.etcd(Binaries.in_folder(node.programs), layout, ports),
        "kube-apiserver": _apiserver(node, ports),
        "containerd": [node.programs / "containerd", f"--config={node.state / 'containerd.toml'}"],
        "api-door": ["socat", f"UNIX-LISTEN:{node.socket},fork,mode=600", f"TCP:{ADDRESS}:{API_PORT}"],
    }


def after_api(node: Node) -> Mapping[str, list[str | Path]]:
    """Return the command lines of what ends, or waits too long, when it meets no API server."""
    pki, scheduler = node.pki, f"kubeconfig={node.state / SCHEDULER}"
    return {
        "kube-controller-manager": [
            node.programs / "kube-controller-manager",
            f"--kubeconfig={node.state / CONTROLLER_MANAGER}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-cluster-ip-range={SERVICES}",
            f"--cluster-cidr={PODS}",
            "--allocate-node-cidrs=false",
            # Many tasks at once make many Jobs; with the usual 20 requests a second their Pods come late.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ],
        "kube-scheduler": [
            node.programs / "kube-scheduler",
            *(f"--{use}{scheduler}" for use in ("", "authentication-", "authorization-")),
            "--leader-elect=false",
            f"--bind-address={LOOPBACK}",
        ],
        "kubelet": [
            node.programs / "kubelet",
            f"--config={node.state / 'kubelet.yaml'}",
            f"--kubeconfig={node.state / KUBELET}",
            f"--hostname-override={node.name}",
            f"--node-ip={ADDRESS}",
        ],
        "kube-proxy": [node.programs / "kube-proxy", f"--config={node.state / 'kube-proxy.yaml'}"],
    }


def _apiserver(node: Node, ports: Ports) -> list[str | Path]:
    pki = node.pki
    return [
        node.programs / "kube-apiserver",
        f"--advertise-address={ADDRESS}",
        f"--secure-port={ports.api}",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd.crt'}",
        f"--etcd-keyfile={pki / 'etcd.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={SERVICES}",
        "--profiling=false",
    ]
