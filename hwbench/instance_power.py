"""The power of a rented machine, modelled by its data sheets: nothing of it is measured."""

from hwbench.data_sheet import DataSheet
from hwbench.estimate_figures import Assumption
from hwbench.instance import Instance
from hwbench.montecarlo import Factor
from hwbench.ways import PowerTerm

GPU_LOAD_FRAC = 0.7  # of its TDP that a training GPU draws
HOST_LOAD_FRAC = 0.5  # of the way from idle to all, that the host beside it works
POWER_LOG = 0.25
IDLE_FRAC = 0.13  # of the TDP: A100 46 of 400 W, V100 35 of 306 W (Cloud Carbon Footprint)
VCPU_IDLE_W, VCPU_MOST_W = 0.74, 3.5
MEMORY_W_PER_BYTE = 0.392e-9
CCF = "Cloud Carbon Footprint coefficients (March 2024)"


def power(instance: Instance, sheet: DataSheet) -> tuple[PowerTerm | None, str | None]:
    """Return a model of the instance's power by its data sheets: nothing of it is measured."""
    if instance.vcpus is None:
        return None, "the instance's virtual CPUs are not known, nor what they draw"
    known = instance.memory_bytes is not None
    memory_w = (instance.memory_bytes or 0) * MEMORY_W_PER_BYTE
    parts = "CPU + DRAM" if known else "CPU, without the DRAM, whose size is not known"
    n, tdp = instance.n_accelerators, sheet.tdp_w
    if sheet.kind == "cpu":
        active, idle = instance.vcpus * VCPU_MOST_W, instance.vcpus * VCPU_IDLE_W
        peak, covers = active, f"{parts}, modelled, not the wall"
    elif tdp is None:
        return None, f"the TDP of {sheet.name} is not published"
    else:
        host_w = instance.vcpus * (VCPU_IDLE_W + HOST_LOAD_FRAC * (VCPU_MOST_W - VCPU_IDLE_W))
        resting = sheet.idle_w if sheet.idle_w is not None else IDLE_FRAC * tdp
        active = n * tdp * GPU_LOAD_FRAC + host_w
        idle = n * resting + instance.vcpus * VCPU_IDLE_W
        peak = n * tdp + instance.vcpus * VCPU_MOST_W
        covers = f"GPU + {parts}, modelled, not the wall"
    return (
        PowerTerm(
            active_w=active + memory_w,
            idle_w=min(idle, active) + memory_w,
            peak_w=peak + memory_w,
            factors=(Factor.of_sigma("power of rented machines", POWER_LOG),),
            measured=False,
            covers=covers,
        ),
        None,
    )


def notes(power: PowerTerm | None, sheet: DataSheet) -> tuple[Assumption, ...]:
    """Return what the model of an instance's power takes for granted."""
    if power is None:
        return ()
    what = ""
    if sheet.kind != "cpu":
        idle = "its data sheet's" if sheet.idle_w is not None else f"{IDLE_FRAC:g} of the TDP"
        what = (
            f"{GPU_LOAD_FRAC:g} of the TDP of each accelerator (at idle {idle}), and"
            f" {HOST_LOAD_FRAC:.0%} of the way from "
        )
    return (
        Assumption(
            name="power",
            value=power.active_w,
            unit="W",
            source=f"{what}{VCPU_IDLE_W:g} to {VCPU_MOST_W:g} W a virtual CPU ({CCF});"
            " an 8 x H100 node in training drew 76 % of its rating (arXiv:2506.14551)",
        ),
    )
