"""The shipped Grafana dashboards: JSON, beside the Python that makes it (`python -m dashboards`)."""
