"""Tandem: two Slurm clusters in two zones behind one portal, and no work lost when a zone is."""

__version__ = "0.1.0"
