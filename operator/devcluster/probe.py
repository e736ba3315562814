"""Ask a server of a local control plane whether it is ready."""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path

from devcluster.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks a server over HTTPS, with a client certificate, whether it is ready."""

    port: int
    pki: Path
    authority: str
    client: str

    def answers(self, path: str) -> bool:
        """Tell whether a request for this path is answered with OK."""
        context = ssl.create_default_context(cafile=self.pki / f"{self.authority}.crt")
        context.load_cert_chain(self.pki / f"{self.client}.crt", self.pki / f"{self.client}.key")
        connection = http.client.HTTPSConnection(LOOPBACK, self.port, context=context, timeout=5.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
