"""The action job: a container run to its end, as a Kubernetes Job."""
