"""Name the programs that are built here, and what each is built from."""

from dataclasses import dataclass

CONTAINERD = "github.com/containerd/containerd/v2"


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its Go package: pinned by deploy/devcluster/go.mod, or one of a module of its own in this version."""

    name: str
    package: str
    version: str = ""
    # The variable that tells the program its version.
    stamp: str = ""

    @property
    def source(self) -> str:
        """What `go` is told to build."""
        return f"{self.package}@{self.version}" if self.version else self.package


def _kubernetes(name: str) -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}")


def _containerd(name: str) -> Program:
    return Program(name, f"{CONTAINERD}/cmd/{name}", "v2.3.7", f"{CONTAINERD}/version.Version")


CONTROL_PLANE = (
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kubectl"),
)

# What a node with real Pods needs, too. Modules that are not of Kubernetes would move each other's versions in one go.mod.
NODE = (
    *CONTROL_PLANE,
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    Program("pause", "task.oceanbase.com/devcluster/pause"),
    _containerd("containerd"),
    _containerd("containerd-shim-runc-v2"),
    _containerd("ctr"),
    Program("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0", "helm.sh/helm/v3/internal/version.version"),
    Program("coredns", "github.com/coredns/coredns", "v1.15.0"),
)

# What kind needs to make a node of these programs.
KIND = (*NODE, _kubernetes("kubeadm"), Program("kind", "sigs.k8s.io/kind", "v0.33.0"))
