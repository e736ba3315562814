"""Run a command with a kind cluster, on podman and a node image made of the programs that are built here."""
