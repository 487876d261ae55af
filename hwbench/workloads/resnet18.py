"""ResNet-18 (He et al. 2015, arXiv:1512.03385, table 1), laid out and named as in torchvision.

The small one has 64 values a channel in its last batch normalisations (16 images of 2 x 2):
statistics of fewer make training chaotic.
"""

from hwbench.architectures import resnet
from hwbench.workload import Optimizer, Variant, Workload

BLOCKS = {"blocks1": 2, "blocks2": 2, "blocks3": 2, "blocks4": 2, "expansion": 1}

WORKLOAD = Workload(
    name="resnet18",
    version=1,
    summary="ResNet-18, torchvision's layout, batch norm (He et al. 2015, arXiv:1512.03385)",
    item="image",
    variants={
        "": Variant(
            config={"image": 224, "channels": 3, "width": 64, "classes": 1000, **BLOCKS},
            shape={"image": 224},
            batch_size=8,
        ),
        "small": Variant(
            config={"image": 64, "channels": 3, "width": 8, "classes": 10, **BLOCKS},
            shape={"image": 64},
            batch_size=16,
        ),
    },
    optimizer=Optimizer(name="sgd", learning_rate=0.001, momentum=0.9, weight_decay=1e-4),
    inputs=resnet.inputs,
    targets=resnet.targets,
    build_torch=resnet.build_torch,
    build_flax=resnet.build_flax,
    parameters=resnet.parameters,
    flops=resnet.flops,
    definition="f33fa7eeddccdcd0",
)
