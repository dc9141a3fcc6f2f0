"""What traffic teaches: feedback, comparisons, experiments, and samples of them."""
