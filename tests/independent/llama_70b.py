"""Llama 3.1 70B in transformers."""

from tests.independent.llama_family import independent

INDEPENDENT = independent(
    70_553_706_496,
    "huggingface.co/meta-llama/Llama-3.1-70B, its safetensors and transformers' module:"
    " 70,553,706,496 (70B)",
)
