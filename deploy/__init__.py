"""What runs beside Nova Feed in production: Prometheus, Alertmanager, Grafana."""
