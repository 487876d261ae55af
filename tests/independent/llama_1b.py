"""Llama 3.2 1B in transformers."""

from tests.independent.llama_family import independent

INDEPENDENT = independent(
    1_235_814_400,
    "huggingface.co/meta-llama/Llama-3.2-1B, its safetensors and transformers' module:"
    " 1,235,814,400 (1.23B)",
)
