"""What attempts write: bounded, masked text, and the ConfigMap that keeps it. API.md section 6."""
