"""Llama 3.1 8B in transformers."""

from tests.independent.llama_family import independent

INDEPENDENT = independent(
    8_030_261_248,
    "huggingface.co/meta-llama/Llama-3.1-8B, its safetensors and transformers' module:"
    " 8,030,261,248 (8B)",
)
