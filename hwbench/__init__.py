"""hwbench: how long, how much energy and how much money a training will take, from measurement."""

__version__ = "0.1.0"
