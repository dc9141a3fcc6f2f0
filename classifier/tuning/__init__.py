"""Thresholds chosen from samples of requests whose quality is known. Pure maths."""
