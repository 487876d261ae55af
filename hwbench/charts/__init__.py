"""The figures of `hwbench plot`, one file each."""
