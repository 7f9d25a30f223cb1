"""The numerical platform as an input: NumPy held to a named baseline, and a digest of all that decides the bytes.

NumPy's vectorised elementary functions change in their last bits with the CPU's features. So a run holds NumPy to the
baseline that its wheels are built for on every machine, and names wheels, Python and features in its digest.
Importing this module does nothing; `pin` must be called before NumPy is imported.
"""

import hashlib
import importlib
import json
import os
import platform
import sys
from importlib.metadata import version

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
# What lies above the baseline (x86-64-v2, and plain ASIMD) in NumPy's wheels.
_ABOVE_BASELINE = {
    "x86_64": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "arm64": "ASIMDHP ASIMDDP ASIMDFHM",
    "aarch64": "ASIMDHP ASIMDDP ASIMDFHM SVE",
}
_WHEELS = ("numpy", "protobuf")


def pin() -> None:
    """Hold NumPy to its baseline in this process and its children; a setting already there is kept."""
    if "numpy" in sys.modules and _VARIABLE not in os.environ:
        raise RuntimeError("NumPy was imported before its CPU features were pinned")
    features = _ABOVE_BASELINE.get(platform.machine(), "")
    if features:
        os.environ.setdefault(_VARIABLE, features)


def platform_digest() -> str:
    """Return the SHA-256 over what decides a run's bytes besides its inputs, hexadecimal."""
    umath = importlib.import_module("numpy._core._multiarray_umath")  # after `pin`, never at import
    used = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libc": platform.libc_ver(),
        "wheels": {name: version(name) for name in _WHEELS},
        "cpu_features": [*umath.__cpu_baseline__, *used],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
