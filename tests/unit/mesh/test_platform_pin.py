import json
import os
import subprocess
import sys

import pytest

FACTS = """
import json, os
from mesh.storage.platform_pin import pin, platform_digest
{before}
pin()
from numpy._core import _multiarray_umath as umath
features = umath.__cpu_features__
print(json.dumps({{
    "baseline": umath.__cpu_baseline__,
    "used": [name for name in umath.__cpu_dispatch__ if features[name]],
    "digest": platform_digest(),
}}))
"""


def facts(before: str = "", **environment: str) -> dict[str, object]:
    """Return the CPU features that NumPy uses in a separate process that pins it."""
    result = python(FACTS.format(before=before), **environment)
    assert result.returncode == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key != "NPY_DISABLE_CPU_FEATURES"}
    command = [sys.executable, "-P", "-W", "error", "-c", code]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_pinned_numpy_uses_its_baseline_and_nothing_above_it() -> None:
    found = facts()
    assert found["used"] == []
    assert found["baseline"]


def test_the_platform_digest_of_a_machine_is_stable() -> None:
    assert facts()["digest"] == facts()["digest"]


def test_numpy_imported_before_the_pin_is_an_error() -> None:
    result = python("import numpy; from mesh.storage.platform_pin import pin; pin()")
    assert result.returncode == 1
    assert "NumPy was imported before its CPU features were pinned" in result.stderr


def test_products_of_matrices_run_on_one_thread_by_the_baselines_kernels() -> None:
    code = (
        "from mesh.storage.platform_pin import pin; pin(); import os, platform; "
        "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ.get('OPENBLAS_CORETYPE', ''), platform.machine())"
    )
    threads, *kernels, machine = python(code, OPENBLAS_NUM_THREADS="1").stdout.split()
    assert threads == "1"
    if machine == "x86_64":
        assert kernels == ["Nehalem"]


def test_importing_the_module_neither_pins_nor_imports_numpy() -> None:
    code = (
        "import os, sys, mesh.storage.platform_pin; "
        "print('numpy' in sys.modules, 'NPY_DISABLE_CPU_FEATURES' in os.environ)"
    )
    assert python(code).stdout.split() == ["False", "False"]


def test_an_existing_setting_is_kept_and_other_features_give_another_digest() -> None:
    code = "import os; from mesh.storage.platform_pin import pin; pin(); print(os.environ['NPY_DISABLE_CPU_FEATURES'])"
    pinned = python(code).stdout.strip()
    if not pinned:
        pytest.skip("this machine's NumPy has nothing above its baseline to disable")
    kept = pinned.rsplit(" ", 1)[0]
    assert python(code, NPY_DISABLE_CPU_FEATURES=kept).stdout.strip() == kept


@pytest.mark.parametrize("service", ["svc_sim", "svc_radar"])
def test_a_service_is_pinned_before_anything_imports_numpy(service: str) -> None:
    code = f"""
import {service}.__main__
from numpy._core import _multiarray_umath as umath
print([name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]])
"""
    result = python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
