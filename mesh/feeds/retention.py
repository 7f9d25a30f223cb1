"""Settings of a service with feeds: retention, and whether producers wait for their required readers."""

from pydantic import Field

from mesh.clock import NS_PER_S
from mesh.feeds.blockage import ALARM_S
from mesh.feeds.feed import FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.serving.errors import StartError
from mesh.settings import ServiceSettings


class RetentionSettings(ServiceSettings):
    """Settings of every service with feeds.

    A lossless producer that waits for a required reader for longer than `blocked_alarm_s`, in wall-clock time, reports
    it in its status and in the audit trail.
    """

    flow_control: FlowControl = FlowControl.LIVE
    retention_s: float = Field(default=600.0, gt=0.0, le=86_400.0)
    retention_bytes: int = Field(default=256 * 1024 * 1024, ge=2_000_000)
    blocked_alarm_s: float = Field(default=ALARM_S, gt=0.0, le=86_400.0)

    def feed(self, name: str, required_readers: tuple[str, ...]) -> FeedSettings:
        """Return the settings of one feed."""
        retention = Retention(int(self.retention_s * NS_PER_S), self.retention_bytes)
        return FeedSettings(name, retention, required_readers, self.flow_control, self.blocked_alarm_s)

    def check_retention(self, longest_step_s: float) -> None:
        """Check that a lossless producer cannot wait for a reader that waits for it.

        Raises:
            StartError: half the retention does not exceed the longest step that a reader must receive whole.
        """
        if self.retention_s / 2 <= longest_step_s:
            raise StartError(
                f"retention_s is {self.retention_s:g}: half of it must exceed {longest_step_s:g} s, "
                "the longest scan with the interval between snapshots or checkpoints"
            )
