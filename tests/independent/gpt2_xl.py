"""GPT-2 XL in transformers."""

from tests.independent.gpt2_family import independent

INDEPENDENT = independent(
    1_557_611_200,
    48,
    1600,
    "huggingface.co/openai-community/gpt2-xl (1.5B; the paper's 1542M is a slip),"
    " counted by transformers",
)
