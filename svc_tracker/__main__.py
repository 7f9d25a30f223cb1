"""Entry point of the tracker."""

from mesh.storage.platform_pin import pin

pin()

from svc_tracker.wiring import main  # noqa: E402 (NumPy must not be imported before its features are pinned)

if __name__ == "__main__":
    main()
