"""Whole networks with their loss and optimiser, one file each."""
