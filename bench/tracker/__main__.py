"""`python -m bench.tracker`: the mesh's tracker against Stone Soup and against perfect association."""

import os
import sys

if __name__ == "__main__":
    # BLAS reads its number of threads when NumPy is loaded.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    os.environ.update(threads)
    from bench.tracker.command import main

    sys.exit(main(sys.argv[1:]))
