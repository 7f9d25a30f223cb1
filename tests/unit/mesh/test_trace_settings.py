from collections.abc import Mapping

import pytest

from mesh.telemetry.trace_settings import (
    TraceSettings,
    default_endpoint,
    default_exporter,
    default_protocol,
    default_sample_ratio,
)


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        ({}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "none"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, "none"),
        ({"OTEL_SDK_DISABLED": "false"}, "otlp"),
    ],
)
def test_the_exporter_follows_the_standard_variables(environment: Mapping[str, str], exporter: str) -> None:
    assert default_exporter(environment) == exporter


def test_a_variable_for_traces_alone_overrides_the_one_for_all_signals() -> None:
    common = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    assert (default_endpoint(common), default_protocol(common)) == ("http://a:4317", "http/protobuf")
    own = common | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:4317", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    assert (default_endpoint(own), default_protocol(own)) == ("http://b:4317", "grpc")
    assert (default_endpoint({}), default_protocol({})) == ("", "grpc")


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio"),
    [
        ("", "", 1.0),
        ("always_on", "0.2", 1.0),
        ("parentbased_always_off", "", 0.0),
        ("traceidratio", "0.25", 0.25),
        ("parentbased_traceidratio", "0.01", 0.01),
        ("parentbased_traceidratio", "", 1.0),
    ],
)
def test_the_ratio_follows_the_standard_sampler(sampler: str, argument: str, ratio: float) -> None:
    assert default_sample_ratio({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}) == ratio


@pytest.mark.parametrize("argument", ["nan", "inf", "-0.1", "1.1", "half"])
def test_a_ratio_that_is_none_is_refused_by_its_variable(argument: str) -> None:
    with pytest.raises(ValueError, match="OTEL_TRACES_SAMPLER_ARG"):
        default_sample_ratio({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument})


def test_an_unknown_sampler_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="OTEL_TRACES_SAMPLER is 'jaeger_remote'; known are always_on, always_off"):
        default_sample_ratio({"OTEL_TRACES_SAMPLER": "jaeger_remote"})


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        (TraceSettings(), False),
        (TraceSettings(endpoint="http://127.0.0.1:4317"), True),
        (TraceSettings(exporter="console"), True),
        (TraceSettings(exporter="none", endpoint="http://127.0.0.1:4317"), False),
    ],
)
def test_nothing_is_traced_without_a_destination(settings: TraceSettings, enabled: bool) -> None:
    assert settings.enabled is enabled


def test_confirmations_make_no_spans_unless_asked_for() -> None:
    confirm, get = "qiki.sim.v1.SimService/ConfirmWorld", "qiki.sim.v1.SimService/GetSimulation"
    assert [TraceSettings().traces_rpc(method) for method in (confirm, get)] == [False, True]
    assert TraceSettings(untraced_rpcs=()).traces_rpc(confirm)
    assert not TraceSettings(untraced_rpcs=("qiki.sim.*",)).traces_rpc(get)
