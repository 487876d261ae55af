"""GPT-2 medium (Radford et al. 2019, table 2): 24 layers of 1024, 355 million parameters."""

from hwbench.architectures import gpt2, gpt2_decoding
from hwbench.workload import Optimizer, Variant, Workload

WORKLOAD = Workload(
    name="gpt2_medium",
    version=1,
    summary="GPT-2 medium, causal language model, tied head, dropout 0 (Radford et al. 2019)",
    item="sequence",
    variants={
        "": Variant(
            config={
                "vocab": 50257,
                "context": 1024,
                "seq": 128,
                "layers": 24,
                "heads": 16,
                "width": 1024,
                "mlp_width": 4096,
            },
            shape={"seq": 128},
            batch_size=1,
        ),
        "small": Variant(
            config={
                "vocab": 1000,
                "context": 64,
                "seq": 32,
                "layers": 2,
                "heads": 4,
                "width": 64,
                "mlp_width": 256,
            },
            shape={"seq": 32},
            batch_size=1,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-4, weight_decay=0.01),
    inputs=gpt2.inputs,
    targets=gpt2.targets,
    build_torch=gpt2.build_torch,
    build_flax=gpt2.build_flax,
    parameters=gpt2.parameters,
    flops=gpt2.flops,
    decoding=gpt2_decoding.decoding,
    embeddings=gpt2.EMBEDDINGS,
    definition="980b33a862708de5",
)
