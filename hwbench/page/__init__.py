"""The style and the script of the page that `hwbench report` writes."""
