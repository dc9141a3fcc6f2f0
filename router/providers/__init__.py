"""Upstreams we can ask: wire formats (sans-IO) and the one HTTP client that carries them."""
