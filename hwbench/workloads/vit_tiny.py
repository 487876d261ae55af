"""ViT-Ti/16 at 224 x 224: the smallest of Touvron et al. 2020 (DeiT, arXiv:2012.12877, table 1).

Without distillation, so the network is that of Dosovitskiy et al. 2020. Weight decay is DeiT's
(its table 9); the learning rate suits small batches.
"""

from hwbench.architectures import vit
from hwbench.workload import Optimizer, Variant, Workload

WORKLOAD = Workload(
    name="vit_tiny",
    version=1,
    summary="ViT-Ti/16, class token, dropout 0 (Touvron et al. 2020, DeiT, arXiv:2012.12877)",
    item="image",
    variants={
        "": Variant(
            config={
                "image": 224,
                "channels": 3,
                "patch": 16,
                "layers": 12,
                "heads": 3,
                "width": 192,
                "mlp_width": 768,
                "classes": 1000,
            },
            shape={"image": 224},
            batch_size=8,
        ),
        "small": Variant(
            config={
                "image": 32,
                "channels": 3,
                "patch": 8,
                "layers": 2,
                "heads": 3,
                "width": 96,
                "mlp_width": 384,
                "classes": 10,
            },
            shape={"image": 32},
            batch_size=8,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-4, weight_decay=0.05),
    inputs=vit.inputs,
    targets=vit.targets,
    build_torch=vit.build_torch,
    build_flax=vit.build_flax,
    parameters=vit.parameters,
    flops=vit.flops,
    embeddings=vit.EMBEDDINGS,
    definition="117989706422010d",
)
