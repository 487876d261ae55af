"""ResNet-50 (He et al. 2015, arXiv:1512.03385, table 1), laid out and named as in torchvision.

Version 1.5, as torchvision's and MLPerf's: a bottleneck's stride is in its 3 x 3 convolution. From
made weights the gradient grows through every batch normalisation on its way back, to a length of
490 in 53 convolutions, and each ReLU that rounding tips over changes it: hence the small learning
rate, with which runtimes still agree after five steps. The small one is deep enough to be moved by
it as well, and has 64 values a channel in its last batch normalisations (16 images of 2 x 2).
"""

from hwbench.architectures import resnet
from hwbench.workload import Optimizer, Variant, Workload

BLOCKS = {"blocks1": 3, "blocks2": 4, "blocks3": 6, "blocks4": 3, "expansion": 4}
FEW_BLOCKS = {"blocks1": 2, "blocks2": 2, "blocks3": 3, "blocks4": 2, "expansion": 4}

WORKLOAD = Workload(
    name="resnet50",
    version=1,
    summary="ResNet-50 v1.5, torchvision's layout, batch norm (He et al. 2015, arXiv:1512.03385)",
    item="image",
    variants={
        "": Variant(
            config={"image": 224, "channels": 3, "width": 64, "classes": 1000, **BLOCKS},
            shape={"image": 224},
            batch_size=8,
        ),
        "small": Variant(
            config={"image": 64, "channels": 3, "width": 8, "classes": 10, **FEW_BLOCKS},
            shape={"image": 64},
            batch_size=16,
        ),
    },
    optimizer=Optimizer(name="sgd", learning_rate=1e-6, momentum=0.9, weight_decay=1e-4),
    inputs=resnet.inputs,
    targets=resnet.targets,
    build_torch=resnet.build_torch,
    build_flax=resnet.build_flax,
    parameters=resnet.parameters,
    flops=resnet.flops,
    definition="f8d6031f16c79cbe",
)
