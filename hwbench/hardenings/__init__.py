"""Trainings that withstand something, one file each; a file here is in the registry."""
