"""Owns one action of Helm on a real API server, as a process: its cache goes where HOME says, and not where the person's is.

Reads {"action", "chart", "kubeconfig", "namespace", "name", "values"} as JSON; writes the manifest of the release.
"""

import json
import sys

from helm_python import Config


def main() -> None:
    """Do what stdin says."""
    order = json.load(sys.stdin)
    namespace, name = order["namespace"], order["name"]
    with Config(kubeconfig_path=order["kubeconfig"], namespace=namespace) as config:
        match order["action"]:
            case "install":
                sys.stdout.write(config.install(order["chart"], name, order["values"], namespace=namespace)["manifest"])
            case "upgrade":
                sys.stdout.write(config.upgrade(order["chart"], name, order["values"], namespace=namespace)["manifest"])
            case "uninstall":
                config.uninstall(name)
            case other:
                raise ValueError(other)


if __name__ == "__main__":
    main()
