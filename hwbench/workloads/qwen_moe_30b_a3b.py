"""Qwen3 30B-A3B: 48 layers, 8 of 128 experts a token (Qwen 2025, arXiv:2505.09388, table 2).

Sizes: config.json of huggingface.co/Qwen/Qwen3-30B-A3B. The loss is cross-entropy alone: the
balance of the experts, which training a mixture adds to it, is left out. The optimiser has AdamW's
betas and weight decay of Llama 2 (arXiv:2307.09288, section 2.2); the learning rate suits small
batches.
"""

from hwbench.architectures import llama, llama_decoding
from hwbench.workload import Optimizer, Variant, Workload

WORKLOAD = Workload(
    name="qwen_moe_30b_a3b",
    version=1,
    summary="Qwen3 30B-A3B, causal language model, 8 of 128 experts (Qwen 2025, arXiv:2505.09388)",
    item="sequence",
    variants={
        "": Variant(
            config={
                "vocab": 151_936,
                "context": 40960,
                "seq": 512,
                "layers": 48,
                "heads": 32,
                "kv_heads": 4,
                "head_dim": 128,
                "width": 2048,
                "mlp_width": 768,
                "experts": 128,
                "active": 8,
                "tied": 0,
                "qk_norm": 1,
                "epsilon_exponent": 6,
                "rope_theta": 1_000_000,
                "rope_factor": 0,
                "rope_original": 0,
            },
            shape={"seq": 512},
            batch_size=1,
        ),
        "small": Variant(
            config={
                "vocab": 500,
                "context": 256,
                "seq": 32,
                "layers": 2,
                "heads": 4,
                "kv_heads": 2,
                "head_dim": 16,
                "width": 64,
                "mlp_width": 32,
                "experts": 4,
                "active": 2,
                "tied": 0,
                "qk_norm": 1,
                "epsilon_exponent": 6,
                "rope_theta": 10000,
                "rope_factor": 0,
                "rope_original": 0,
            },
            shape={"seq": 32},
            batch_size=2,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-4, weight_decay=0.1, beta2=0.95),
    inputs=llama.inputs,
    targets=llama.targets,
    build_torch=llama.build_torch,
    build_flax=llama.build_flax,
    parameters=llama.parameters,
    flops=llama.flops,
    decoding=llama_decoding.decoding,
    embeddings=llama.EMBEDDINGS,
    routed=True,
    definition="796117a5aaf79960",
)
