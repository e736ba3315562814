"""The development and test environment: a real Kubernetes control plane and a real SQL server on this machine, on 127.0.0.1 only."""
