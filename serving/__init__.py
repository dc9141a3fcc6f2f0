"""The edge: HTTP in and out, local engines, start-up, telemetry."""
