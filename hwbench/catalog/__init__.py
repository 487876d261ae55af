"""Data files: dated facts, and the profiles."""
