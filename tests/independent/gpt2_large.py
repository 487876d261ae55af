"""GPT-2 large in transformers."""

from tests.independent.gpt2_family import independent

INDEPENDENT = independent(
    774_030_080,
    36,
    1280,
    "huggingface.co/openai-community/gpt2-large (774M; the paper's 762M is a slip),"
    " counted by transformers",
)
