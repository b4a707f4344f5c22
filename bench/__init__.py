"""Measurements beside what Tandem stands in front of. `make bench` writes `bench/results.md`; no test needs them."""
