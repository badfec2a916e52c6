"""Grafana: the dashboards as code, and as the JSON that follows from it."""
