"""Certificates, kubeconfigs, ports and locks: the small things everything else stands on."""

import os
import socket
import stat
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from devcluster.certificates import Authority
from devcluster.commands import run
from devcluster.credentials import OPERATOR_USER, ensure_pki, write_kubeconfigs
from devcluster.errors import DevClusterError
from devcluster.files import locked, write_private
from devcluster.ports import CANDIDATES, free_port, is_free, wanted_port
from devcluster.seekdb import check_network


def load(pem: bytes) -> x509.Certificate:
    """Return the certificate in a PEM."""
    return x509.load_pem_x509_certificate(pem)


@pytest.mark.parametrize("name", ["localhost", "kubernetes.default.svc"])
def test_a_server_certificate_is_good_for_the_names_of_an_api_server(name: str) -> None:
    """Clients that check the name of the server accept it, and not the certificates of another authority."""
    authority = Authority.create("ours")
    server = load(authority.server("kube-apiserver").certificate)

    ours = PolicyBuilder().store(Store([load(authority.certificate)])).build_server_verifier(x509.DNSName(name))
    ours.verify(server, [])
    other = PolicyBuilder().store(Store([load(Authority.create("other").certificate)])).build_server_verifier(x509.DNSName(name))
    with pytest.raises(VerificationError):
        other.verify(server, [])


def test_a_server_certificate_is_good_for_the_loopback_address() -> None:
    """The servers are reached by address, not by name."""
    server = load(Authority.create("ours").server("kube-apiserver").certificate)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))


def test_a_client_certificate_names_user_and_group() -> None:
    """Kubernetes takes the user from the common name and the group from the organization; it is no server certificate."""
    pair = Authority.create("ours").client("somebody", "system:masters")
    client = load(pair.certificate)

    assert client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "somebody"
    assert client.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    assert list(client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert load_pem_private_key(pair.key, None).public_key() == client.public_key()


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    """A second start keeps the keys; nobody else on the machine can read them, and those of the authorities are not kept at all."""
    pki = tmp_path / "pki"
    ensure_pki(pki)
    before = {file.name: file.read_bytes() for file in pki.iterdir()}
    ensure_pki(pki)

    assert {file.name: file.read_bytes() for file in pki.iterdir()} == before
    assert {stat.S_IMODE(file.stat().st_mode) for file in pki.iterdir()} == {0o600}
    assert stat.S_IMODE(pki.stat().st_mode) == 0o700
    assert not {"ca.key", "etcd-ca.key"} & before.keys()


def test_a_start_that_was_interrupted_makes_all_keys_again(tmp_path: Path) -> None:
    """Half a set of keys is never taken for a whole one."""
    (tmp_path / "pki.draft").mkdir()
    (tmp_path / "pki.draft/ca.crt").write_text("half")
    ensure_pki(tmp_path / "pki")

    assert (tmp_path / "pki/ca.crt").read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert not (tmp_path / "pki.draft").exists()


def test_kubeconfigs_hold_everything_and_are_private(tmp_path: Path) -> None:
    """A kubeconfig can be copied elsewhere, because it refers to no other file; each names its own user."""
    ensure_pki(tmp_path / "pki")
    write_kubeconfigs(tmp_path, tmp_path / "pki", "https://127.0.0.1:1")
    content = yaml.safe_load((tmp_path / "operator.kubeconfig").read_text())

    assert content["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert content["users"][0]["name"] == OPERATOR_USER
    assert str(tmp_path) not in (tmp_path / "operator.kubeconfig").read_text()
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*kubeconfig")} == {0o600}


def test_a_kubeconfig_is_not_written_without_need(tmp_path: Path) -> None:
    """Who watches the file is not woken by a second `up`."""
    ensure_pki(tmp_path / "pki")
    write_kubeconfigs(tmp_path, tmp_path / "pki", "https://127.0.0.1:1")
    before = (tmp_path / "kubeconfig").stat().st_ino
    write_kubeconfigs(tmp_path, tmp_path / "pki", "https://127.0.0.1:1")

    assert (tmp_path / "kubeconfig").stat().st_ino == before


def test_a_private_file_is_never_readable_by_others(tmp_path: Path) -> None:
    """Also when the user's umask is generous."""
    before = os.umask(0)
    try:
        write_private(tmp_path / "secret", b"1")
        write_private(tmp_path / "secret", b"2")
    finally:
        os.umask(before)

    assert (tmp_path / "secret").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_free_port_can_be_listened_on() -> None:
    """It lies below the ports of outgoing connections, and is not one of those to be avoided."""
    port = free_port(avoid=range(CANDIDATES.start, CANDIDATES.stop - 1000))

    assert CANDIDATES.stop - 1000 <= port < CANDIDATES.stop
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_no_free_port_is_a_clear_error() -> None:
    """The search ends."""
    with pytest.raises(DevClusterError, match=r"no free port on 127\.0\.0\.1"):
        free_port(avoid=CANDIDATES)


def test_a_port_somebody_asked_for_is_taken_or_refused() -> None:
    """A person who asks for a port gets it or an error, never another port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(DevClusterError, match=f"port {port} on 127.0.0.1 is taken; free it"):
            wanted_port(port)
    assert wanted_port(port) == port


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    """A holder that is killed does not lock others out."""
    code = f"""
import os, signal
from pathlib import Path
from devcluster.files import locked
with locked(Path({str(tmp_path / "lock")!r}), "waiting"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    run([sys.executable, "-c", code], env=os.environ)

    with locked(tmp_path / "lock", "waiting"):
        pass


def interfaces(folder: Path, **addresses: str) -> Path:
    """Make a folder like /sys/class/net."""
    for name, address in addresses.items():
        (folder / name).mkdir()
        (folder / name / "address").write_text(f"{address}\n")
    return folder


def test_seekdb_is_not_started_where_it_would_crash(tmp_path: Path) -> None:
    """On a machine with only a loopback interface the error says what to add; one without /sys is not judged."""
    check_network(tmp_path / "none")
    with pytest.raises(DevClusterError, match="ip link add obtask0 type veth"):
        check_network(interfaces(tmp_path, lo="00:00:00:00:00:00"))
    check_network(interfaces(tmp_path, eth0="02:fc:00:00:00:05"))
