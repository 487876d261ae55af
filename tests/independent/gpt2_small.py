"""GPT-2 small in transformers."""

from tests.independent.gpt2_family import independent

INDEPENDENT = independent(
    124_439_808, 12, 768, "huggingface.co/openai-community/gpt2 (the paper's 117M is a slip)"
)
