"""The seam between two legs: nothing said twice, nothing run together."""
