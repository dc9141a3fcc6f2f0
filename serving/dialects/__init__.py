"""How clients speak to us: one folder per dialect, each with wire, parse and render."""
