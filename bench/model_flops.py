"""FLOPs and parameters of models by `--model`, against timm's and a published formula's.

`python -m bench.model_flops` counts each forward pass as `hwbench run --model` does. timm's figures
are those of its own results (pytorch-image-models, results/benchmark-infer-amp-nhwc-pt240-cu124-
rtx4090.csv at commit 7479d451, Apache-2.0): parameters in millions, giga multiply-accumulates, both
rounded to two places. They count normalisations and the like too; matrix products and convolutions
alone, as here, are up to a hundredth less. Transformers are held against 24 s l h^2 + 4 s^2 l h of
Narayanan et al. 2021 (arXiv:2104.04473, appendix) and what their head computes.
"""

import argparse
from typing import NamedTuple

from hwbench import model_spec
from hwbench.dialects import torch_described


class Published(NamedTuple):
    """What timm says of a model: image side, millions of parameters, GMACs."""

    side: int
    parameters_m: float
    gmacs: float


TIMM = {
    "resnet50": Published(224, 25.56, 4.11),
    "resnext50_32x4d": Published(224, 25.03, 4.26),
    "res2net50_26w_4s": Published(224, 25.7, 4.28),
    "resnest14d": Published(224, 10.61, 2.76),
    "regnety_032": Published(224, 19.44, 3.2),
    "densenet121": Published(224, 7.98, 2.87),
    "vgg11_bn": Published(224, 132.87, 7.62),
    "inception_v3": Published(299, 23.83, 5.73),
    "dla60": Published(224, 22.04, 4.26),
    "hrnet_w18_small_v2": Published(224, 15.6, 2.62),
    "skresnet34": Published(224, 22.28, 3.67),
    "convnext_tiny": Published(224, 28.59, 4.47),
    "inception_next_tiny": Published(224, 28.06, 4.19),
    "poolformer_s12": Published(224, 11.92, 1.82),
    "efficientformer_l1": Published(224, 12.29, 1.3),
    "efficientvit_b2": Published(224, 24.33, 1.6),
    "edgenext_small": Published(256, 5.59, 1.26),
    "mobilevitv2_100": Published(256, 4.9, 1.84),
    "levit_512": Published(224, 95.17, 5.64),
    "deit3_medium_patch16_224": Published(224, 38.85, 8.0),
    "vit_relpos_small_patch16_224": Published(224, 21.98, 4.59),
    "hiera_tiny_224": Published(224, 27.91, 4.91),
    "pvt_v2_b1": Published(224, 14.01, 2.12),
    "twins_svt_small": Published(224, 24.06, 2.94),
    "davit_tiny": Published(224, 28.36, 4.54),
    "crossvit_small_240": Published(240, 26.86, 5.63),
    "convit_tiny": Published(224, 5.71, 1.26),
    "coat_lite_mini": Published(224, 11.01, 2.0),
    "coatnet_0_rw_224": Published(224, 27.44, 4.43),
    "maxvit_pico_rw_256": Published(256, 7.46, 1.83),
    "tiny_vit_11m_224": Published(224, 20.35, 2.04),
    "xcit_tiny_24_p16_224": Published(224, 12.12, 2.34),
    "nextvit_small": Published(224, 31.76, 5.81),
    "visformer_small": Published(224, 40.22, 4.88),
    "gcvit_xxtiny": Published(224, 12.0, 2.14),
    "botnet26t_256": Published(256, 12.49, 3.32),
    "halonet26t": Published(256, 12.48, 3.19),
    "lambda_resnet26rpt_256": Published(256, 10.99, 3.16),
    "gmixer_24_224": Published(224, 24.72, 5.28),
    "resmlp_24_224": Published(224, 30.02, 5.96),
    "gmlp_ti16_224": Published(224, 5.87, 1.34),
    "mixnet_l": Published(224, 7.33, 0.58),
    "ghostnetv2_130": Published(224, 8.96, 0.28),
}
HALF_PLACE = 0.005  # that rounding to two places leaves open, in GMACs


def transformer(layers: int, width: int, seq: int, head: int) -> int:
    """Return the FLOPs of a sequence's forward pass; `head` are the weights of its head, each
    used `2 x` as often as the caller counts."""
    return layers * (24 * seq * width**2 + 4 * seq**2 * width) + 2 * head


SEQ = 128
# The head: BERT pools its first token by a square matrix and gives two classes; DistilBERT and
# RoBERTa have a square matrix before them; GPT-2 and OPT give each token's logits.
TRANSFORMERS = {
    "bert": transformer(12, 768, SEQ, 768 * 768 + 768 * 2),
    "distilbert": transformer(6, 768, SEQ, 768 * 768 + 768 * 2),
    "roberta": transformer(12, 768, SEQ, 768 * 768 + 768 * 2),
    "gpt2": transformer(12, 768, SEQ, SEQ * 768 * 50257),
    "electra": transformer(12, 256, SEQ, 256 * 256 + 256 * 2),
    "gpt_neo": transformer(24, 2048, SEQ, SEQ * 2048 * 50257),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*")
    only = parser.parse_args().only
    within = told = 0
    for name, published in TIMM.items():
        if only and name not in only:
            continue
        spec = model_spec.parse(f"timm:{name}@image={published.side}")
        facts = torch_described.facts(spec, name, False)
        gmacs = (facts.flops or 0) / 2e9
        off = gmacs / published.gmacs - 1
        near = abs(gmacs - published.gmacs) <= 0.01 * published.gmacs + HALF_PLACE
        same = abs(facts.parameters / 1e6 - published.parameters_m) < 0.0051
        within, told = within + near, told + 1
        print(
            f"{name:30s} {facts.parameters / 1e6:7.2f} M {'' if same else '(!)'}"
            f" {gmacs:7.3f} GMAC, timm {published.gmacs:5.2f}: {off:+.1%}"
            f"{'' if near else '  beyond 1 %'}",
            flush=True,
        )
    print(f"timm: {within} of {told} within 1 % and the rounding of what is published")
    for name, flops in TRANSFORMERS.items():
        if only and name not in only:
            continue
        facts = torch_described.facts(model_spec.parse(f"hf:{name}@seq={SEQ}"), name, False)
        print(f"{name:30s} {(facts.flops or 0) / flops - 1:+.2%} of the published formula")


if __name__ == "__main__":
    main()
