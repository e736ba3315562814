"""The job action: a container that runs to completion as a Kubernetes Job. API.md section 2.1."""
