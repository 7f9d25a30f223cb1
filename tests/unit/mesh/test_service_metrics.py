import os
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from mesh.serving.health import Health
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.telemetry.service_metrics import watch_audit, watch_service
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import BOOT_OK


def watched(health: Health, state_dir: Path | None = None) -> CollectorRegistry:
    registry = CollectorRegistry()
    watch_service(registry, health, state_dir)
    return registry


def test_a_service_is_exported_with_its_version() -> None:
    labels = {"service": "svc_test", "version": version("qiki-mesh")}
    assert watched(Health("svc_test", stall_s=30.0)).get_sample_value("qiki_build_info", labels) == 1


def test_serving_is_exported_as_health_reports_it() -> None:
    health = Health("svc_test", stall_s=30.0)
    registry = watched(health)
    loop = health.loop("simulation")

    def serving() -> float | None:
        return registry.get_sample_value("qiki_service_serving")

    assert serving() == 0, "it has not started"
    health.up()
    assert serving() == 1
    loop.fail("the disk is full")
    assert serving() == 0
    loop.recover("running")
    assert serving() == 1
    health.draining()
    assert serving() == 0


def test_the_space_of_the_state_directory_is_that_of_its_file_system(tmp_path: Path) -> None:
    registry = watched(Health("svc_test", stall_s=30.0), tmp_path)
    found = os.statvfs(tmp_path)
    assert registry.get_sample_value("qiki_state_dir_size_bytes") == found.f_blocks * found.f_frsize
    free = registry.get_sample_value("qiki_state_dir_free_bytes")
    assert free is not None
    assert 0 < free < found.f_blocks * found.f_frsize


def test_unknown_space_is_absent_and_not_zero(tmp_path: Path) -> None:
    for state_dir in (None, tmp_path / "gone"):
        registry = watched(Health("svc_test", stall_s=30.0), state_dir)
        assert registry.get_sample_value("qiki_state_dir_free_bytes") is None
        assert registry.get_sample_value("qiki_build_info", {"service": "svc_test", "version": version("qiki-mesh")})


def test_audit_events_wait_only_where_there_is_a_registrar_to_wait_for() -> None:
    for delivers, waiting, lost in ((True, 1, 0), (False, None, None)):
        registry, audit = CollectorRegistry(), AuditReporter("127.0.0.1:1" if delivers else "", "svc_test")
        watch_audit(registry, audit, delivers=delivers)
        audit.report(BOOT_OK)
        assert registry.get_sample_value("qiki_audit_waiting_events") == waiting
        assert registry.get_sample_value("qiki_audit_events_total", {"outcome": "dropped"}) == lost


def test_the_metrics_of_an_rpc_method_are_looked_up_once() -> None:
    registry = CollectorRegistry()
    metrics = RpcMetrics(registry)
    method = metrics.method("qiki.test.v1.Test/Get")
    assert metrics.method("qiki.test.v1.Test/Get") is method
    assert method.handled("OK") is method.handled("OK")
    method.handled("OK").inc()
    labels = {"method": "qiki.test.v1.Test/Get", "code": "OK"}
    assert registry.get_sample_value("qiki_rpc_handled_total", labels) == 1
