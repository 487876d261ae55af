"""Words for quantities: factors at the border of the SI, and facts of the dtypes."""

S_PER_MIN = 60.0
S_PER_H = 3600.0
S_PER_DAY = 86400.0
S_PER_NS = 1e-9
S_PER_MS = 1e-3
J_PER_MJ = 1e-3  # millijoule, as NVML counts
J_PER_UJ = 1e-6
W_PER_MW = 1e-3  # milliwatt, as NVML reports
W_PER_UW = 1e-6
J_PER_KWH = 3.6e6
A_PER_MA = 1e-3
A_PER_UA = 1e-6
V_PER_MV = 1e-3
V_PER_UV = 1e-6
HZ_PER_KHZ = 1e3
HZ_PER_MHZ = 1e6
BYTES_PER_KIB = 1024
BYTES_PER_MIB = 1024**2
BYTES_PER_GIB = 1024**3

# Bytes of one element. `tf32` is float32 in memory, with matrix products in TF32.
ITEM_BYTES = {"float32": 4, "tf32": 4, "bfloat16": 2, "float16": 2, "int8": 1}

# The largest error that a right answer may show against a float64 reference, relative to the
# largest reference value: some tens of roundings of each format (float32 eps 6e-8, bf16 4e-3,
# fp16 5e-4), over sums whose rounding grows with the square root of their length.
TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2, "float16": 1e-2, "int8": 0.0}
