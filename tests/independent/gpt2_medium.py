"""GPT-2 medium in transformers."""

from tests.independent.gpt2_family import independent

INDEPENDENT = independent(
    354_823_168,
    24,
    1024,
    "huggingface.co/openai-community/gpt2-medium (355M; the paper's 345M is a slip),"
    " counted by transformers",
)
