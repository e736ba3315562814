"""The command lines of etcd, kube-apiserver and kube-controller-manager. Pure: paths and ports in, words out."""

from dataclasses import dataclass
from pathlib import Path

from devcluster.binaries import Binaries
from devcluster.ports import LOOPBACK

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"

# In the order in which they need each other.
NAMES = (ETCD, APISERVER, CONTROLLER_MANAGER)

# What a test or a person can see of a cluster without nodes; everything else only costs CPU.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
)

# One line of JSON for each request, without bodies; requests are counted when they are answered.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three servers listen on 127.0.0.1."""

    etcd: int
    peer: int
    api: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one control plane, all below its state folder."""

    state: Path

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def run(self) -> Path:
        """One record for each process."""
        return self.state / "run"

    @property
    def ports(self) -> Path:
        """The ports that were chosen."""
        return self.state / "ports.json"

    @property
    def audit_log(self) -> Path:
        """One JSON line for each request."""
        return self.state / "audit.jsonl"

    @property
    def audit_policy(self) -> Path:
        """What the API server writes into the audit log."""
        return self.state / "audit-policy.yaml"


def etcd(binaries: Binaries, layout: Layout, ports: Ports) -> list[str | Path]:
    """Return the command line of etcd: one member that never waits for the disk, and talks only to bearers of its certificates."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.peer}"
    pki = layout.pki
    return [
        binaries.etcd,
        "--name=devcluster",
        f"--data-dir={layout.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=devcluster={peer}",
        "--unsafe-no-fsync",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=10m",
        "--log-level=warn",
        "--client-cert-auth",
        f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
    ]


def apiserver(binaries: Binaries, layout: Layout, ports: Ports, *, audit: bool) -> list[str | Path]:
    """Return the command line of kube-apiserver.

    Priority and fairness, and the limits of requests in flight, are left as they are in a real cluster:
    the operator must be seen to live with them.
    """
    pki = layout.pki
    words: list[str | Path] = [
        binaries.kube_apiserver,
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.api}",
        # The endpoints of the Service `kubernetes` may not be a loopback address; without this, the log fills with refusals.
        "--endpoint-reconciler-type=none",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd.crt'}",
        f"--etcd-keyfile={pki / 'etcd.key'}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--profiling=false",
    ]
    if audit:
        # A request is answered only when its line is written: who has the answer can count on the line.
        words += [
            f"--audit-policy-file={layout.audit_policy}",
            f"--audit-log-path={layout.audit_log}",
            "--audit-log-mode=blocking-strict",
            "--audit-log-maxsize=0",
        ]
    return words


def controller_manager(program: Path, layout: Layout) -> list[str | Path]:
    """Return the command line of kube-controller-manager; it listens nowhere."""
    return [
        program,
        f"--kubeconfig={layout.state / 'controller-manager.kubeconfig'}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--service-account-private-key-file={layout.pki / 'sa.key'}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        # Tests delete many namespaces at once; the usual 20 requests a second would make them wait for each other.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
