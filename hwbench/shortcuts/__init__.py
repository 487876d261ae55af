"""Cheaper ways than training from scratch, one file each; a file here is in the registry."""
