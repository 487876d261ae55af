"""`python -m hwbench` is the `hwbench` command."""

from hwbench.cli import main

main()
