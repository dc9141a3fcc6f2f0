"""Thresholds from samples: where these come from, what a person sees, and how a server takes them."""
