"""Settings of a training step, a file each: see `hwbench.setting`."""
