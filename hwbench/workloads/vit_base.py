"""ViT-B/16 at 224 x 224 (Dosovitskiy et al. 2020, arXiv:2010.11929, table 1).

The head is one matrix, as in the paper's fine-tuning. The optimiser is that of Touvron et al. 2020
(DeiT-B, the same network; arXiv:2012.12877, table 9), whose learning rate, 0.0005 x batch / 512, is
this one at ten images.
"""

from hwbench.architectures import vit
from hwbench.workload import Optimizer, Variant, Workload

WORKLOAD = Workload(
    name="vit_base",
    version=1,
    summary="ViT-B/16, class token, dropout 0 (Dosovitskiy et al. 2020, arXiv:2010.11929)",
    item="image",
    variants={
        "": Variant(
            config={
                "image": 224,
                "channels": 3,
                "patch": 16,
                "layers": 12,
                "heads": 12,
                "width": 768,
                "mlp_width": 3072,
                "classes": 1000,
            },
            shape={"image": 224},
            batch_size=2,
        ),
        "small": Variant(
            config={
                "image": 32,
                "channels": 3,
                "patch": 8,
                "layers": 2,
                "heads": 4,
                "width": 128,
                "mlp_width": 512,
                "classes": 10,
            },
            shape={"image": 32},
            batch_size=4,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-5, weight_decay=0.05),
    inputs=vit.inputs,
    targets=vit.targets,
    build_torch=vit.build_torch,
    build_flax=vit.build_flax,
    parameters=vit.parameters,
    flops=vit.flops,
    embeddings=vit.EMBEDDINGS,
    definition="06efd0a18a6f3be7",
)
