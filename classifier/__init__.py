"""What is being asked, and is the fast tier good enough for it? Maths and models, no HTTP server."""
