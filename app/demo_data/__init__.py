"""A made-up but honest history of a whole installation, for trying out, screenshots and benchmarks."""
