"""Wire and run the radar."""

from mesh.storage.platform_pin import pin

pin()

from svc_radar.wiring import main  # noqa: E402 (NumPy must not be imported before its features are pinned)

if __name__ == "__main__":
    main()
