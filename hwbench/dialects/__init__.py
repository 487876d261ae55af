"""How a kernel or a workload becomes a program in torch, jax or ONNX."""
