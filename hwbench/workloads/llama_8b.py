"""Llama 3.1 8B: 32 layers of 4096, positions rescaled 8-fold (arXiv:2407.21783, table 3).

Sizes: config.json of huggingface.co/meta-llama/Llama-3.1-8B. The small variant's frequencies of
position are kept, mixed and divided by the rescaling, as the published one's are. The optimiser has
AdamW's betas and weight decay of Llama 2 (arXiv:2307.09288, section 2.2); the learning rate suits
small batches.
"""

from hwbench.architectures import llama, llama_decoding
from hwbench.workload import Optimizer, Variant, Workload

WORKLOAD = Workload(
    name="llama_8b",
    version=1,
    summary="Llama 3.1 8B, causal language model (Meta 2024, arXiv:2407.21783)",
    item="sequence",
    variants={
        "": Variant(
            config={
                "vocab": 128_256,
                "context": 131_072,
                "seq": 512,
                "layers": 32,
                "heads": 32,
                "kv_heads": 8,
                "head_dim": 128,
                "width": 4096,
                "mlp_width": 14336,
                "experts": 0,
                "active": 0,
                "tied": 0,
                "qk_norm": 0,
                "epsilon_exponent": 5,
                "rope_theta": 500_000,
                "rope_factor": 8,
                "rope_original": 8192,
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
                "kv_heads": 1,
                "head_dim": 16,
                "width": 64,
                "mlp_width": 224,
                "experts": 0,
                "active": 0,
                "tied": 0,
                "qk_norm": 0,
                "epsilon_exponent": 5,
                "rope_theta": 10000,
                "rope_factor": 8,
                "rope_original": 64,
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
    definition="f8d510ec91e3725e",
)
