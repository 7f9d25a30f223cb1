"""Settings of property tests: no deadlines, as machines are noisy, and in CI the same examples every time."""

import os

from hypothesis import settings

settings.register_profile("qiki", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True)
settings.load_profile("qiki")
