"""Local engines: vLLM processes that we start, watch and stop, or attach to by URL."""
