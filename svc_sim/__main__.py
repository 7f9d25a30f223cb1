"""Wire and run the simulator."""

from mesh.storage.platform_pin import pin

pin()

from svc_sim.wiring import main  # noqa: E402 (NumPy must not be imported before its features are pinned)

if __name__ == "__main__":
    main()
