"""Figures that are one number or many: a formula is written once for both.

`Values` is a float or a NumPy array of floats. In a Monte Carlo the first axis counts the draws and
the last one, where there is one, the sizes of the data set; arrays of different shapes broadcast. A
function of floats returns a float, and NumPy is imported inside functions only.
"""

from typing import Any, TypeAlias

Values: TypeAlias = Any  # float | numpy.typing.NDArray[numpy.float64], which Python cannot dispatch


def plain(values: Values) -> Values:
    """Return an array of no dimension as the float that it holds, all else as it is."""
    import numpy as np

    single = isinstance(values, np.ndarray | np.generic) and not values.ndim
    return values.item() if single else values


def floats(*values: Values) -> tuple[Values, ...]:
    """Return each as an array of float64, so that what follows may overflow to infinity."""
    import numpy as np

    return tuple(np.asarray(v, dtype=np.float64) for v in values)
