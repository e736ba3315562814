"""Run a real one-node Kubernetes cluster on this machine: containerd, kubelet, Pods, without Docker and without an image registry."""
