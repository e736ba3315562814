"""OBTask operator: maintenance tasks for OceanBase on Kubernetes."""
