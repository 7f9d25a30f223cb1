"""The numerical platform as an input: NumPy restricted to a named baseline, and a digest of the platform.

NumPy's vectorised elementary functions differ in their last bits between CPU features, and so do matrix products, which
also depend on the number of threads. So a run restricts NumPy and its BLAS on every machine to the baseline that the
wheels are built for, on one thread, and includes wheels, Python and features in its digest.
Importing this module has no effect; `pin` must be called before NumPy is imported.
"""

import hashlib
import importlib
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
# CPU features above the baseline (x86-64-v2, and plain ASIMD) in NumPy's wheels.
_ABOVE_BASELINE = {
    "x86_64": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "arm64": "ASIMDHP ASIMDDP ASIMDFHM",
    "aarch64": "ASIMDHP ASIMDDP ASIMDFHM SVE",
}
# The OpenBLAS kernels that need only the baseline.
_BLAS_BASELINE = {"x86_64": "Nehalem", "arm64": "ARMV8", "aarch64": "ARMV8"}
_WHEELS = ("numpy", "scipy", "protobuf", "numba")


def pin() -> None:
    """Restrict NumPy to its baseline in this process and its children; an existing setting is kept."""
    if "numpy" in sys.modules and _VARIABLE not in os.environ:
        raise RuntimeError("NumPy was imported before its CPU features were pinned")
    features = _ABOVE_BASELINE.get(platform.machine(), "")
    if features:
        os.environ.setdefault(_VARIABLE, features)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    blas = _BLAS_BASELINE.get(platform.machine(), "")
    if blas:
        os.environ.setdefault("OPENBLAS_CORETYPE", blas)


def platform_digest() -> str:
    """Return the SHA-256 over the platform properties that determine a run's bytes, hexadecimal."""
    umath = importlib.import_module("numpy._core._multiarray_umath")  # after `pin`, never at import
    used = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libc": platform.libc_ver(),
        "wheels": {name: _version(name) for name in _WHEELS},
        "blas": os.environ.get("OPENBLAS_CORETYPE", ""),
        "cpu_features": [*umath.__cpu_baseline__, *used],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _version(wheel: str) -> str:
    """Return a wheel's version, empty if it is not installed, as an optional one may be."""
    try:
        return version(wheel)
    except PackageNotFoundError:
        return ""
