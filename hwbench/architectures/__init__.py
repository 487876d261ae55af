"""Families of networks, written once for the workloads that are their published sizes."""
