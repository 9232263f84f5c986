"""What the tests of the dashboards share."""
