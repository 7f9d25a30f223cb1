from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mesh.feeds.readers import RequiredReaders
from mesh.feeds.token import Token

NAMES = ("bridge", "tracker", "other")
READERS = st.sampled_from(NAMES)


def digest(sequence: int) -> bytes:
    return sequence.to_bytes(8, "big")


def provisional_token(sequence: int, *, true: bool = True) -> Token:
    return Token(bytes(8), bytes(8), sequence, digest(sequence) if true else b"otherbyt")


class ReadersMachine(RuleBasedStateMachine):
    """Readers compared with two dictionaries: verified positions, and the newest open provisional confirmation."""

    @initialize()
    def begin(self) -> None:
        self.readers = RequiredReaders(NAMES)
        self.last = 0
        self.verified = dict.fromkeys(NAMES, 0)
        self.provisional: dict[str, tuple[int, bool]] = {}

    @rule(name=READERS, back=st.integers(0, 10))
    def confirm(self, name: str, back: int) -> None:
        sequence = max(0, self.last - back)
        self.verified[name] = max(self.verified[name], sequence)
        assert self.readers.confirm(name, sequence) == self.verified[name]

    @rule(name=READERS, ahead=st.integers(1, 8), true=st.booleans())
    def confirm_provisionally(self, name: str, ahead: int, true: bool) -> None:
        self.readers.confirm_provisionally(name, provisional_token(self.last + ahead, true=true))
        if self.last + ahead > self.provisional.get(name, (0, True))[0]:
            self.provisional[name] = self.last + ahead, true

    @rule(jump=st.sampled_from((1, 1, 1, 3)))
    def produce(self, jump: int) -> None:
        """A producer that starts from scratch may start later than event 1: earlier positions are never reached."""
        self.last += jump if self.last == 0 else 1
        self.readers.reached(self.last, digest(self.last))
        for name, (sequence, true) in list(self.provisional.items()):
            if sequence <= self.last:
                del self.provisional[name]
                if true and sequence == self.last:
                    self.verified[name] = max(self.verified[name], sequence)

    @rule()
    def drop_provisional(self) -> None:
        self.readers.drop_provisional()
        self.provisional.clear()

    @rule()
    def reset(self) -> None:
        self.readers.reset()
        self.begin_again()

    def begin_again(self) -> None:
        self.last = 0
        self.verified = dict.fromkeys(NAMES, 0)
        self.provisional.clear()

    @invariant()
    def what_is_confirmed_was_verified(self) -> None:
        assert dict(self.readers.confirmed) == self.verified

    @invariant()
    def the_slowest_counts_with_its_provisional_confirmation(self) -> None:
        positions = {name: max(self.verified[name], self.provisional.get(name, (0, True))[0]) for name in NAMES}
        slowest = self.readers.slowest()
        assert slowest is not None
        assert slowest[1] == min(positions.values()) == positions[slowest[0]]


TestReadersMachine = ReadersMachine.TestCase
TestReadersMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_without_required_readers_there_is_no_slowest_one() -> None:
    assert RequiredReaders(()).slowest() is None


def test_an_absent_reader_counts_as_position_zero() -> None:
    readers = RequiredReaders(("bridge", "tracker"))
    readers.confirm("bridge", 5)
    assert readers.slowest() == ("tracker", 0)


def test_a_confirmed_position_never_moves_back() -> None:
    readers = RequiredReaders(("bridge",))
    assert readers.confirm("bridge", 5) == 5
    assert readers.confirm("bridge", 3) == 5
    assert readers.slowest() == ("bridge", 5)


def test_a_provisional_confirmation_counts_until_its_position_is_reached_and_then_only_with_the_same_digest() -> None:
    readers = RequiredReaders(("bridge",))
    readers.confirm_provisionally("bridge", provisional_token(3, true=False))
    assert readers.slowest() == ("bridge", 3)
    assert readers.confirmed["bridge"] == 0
    readers.reached(3, digest(3))
    assert readers.slowest() == ("bridge", 0)


def test_an_earlier_provisional_confirmation_does_not_replace_a_later_one() -> None:
    readers = RequiredReaders(("bridge",))
    readers.confirm_provisionally("bridge", provisional_token(7))
    readers.confirm_provisionally("bridge", provisional_token(4))
    assert readers.slowest() == ("bridge", 7)


def test_a_provisional_confirmation_before_the_producers_first_event_does_not_stay_open() -> None:
    readers = RequiredReaders(("bridge",))
    readers.confirm_provisionally("bridge", provisional_token(7))
    readers.reached(9, digest(9))
    assert readers.slowest() == ("bridge", 0)


def test_a_provisional_confirmation_never_reached_is_dropped_at_the_end_of_the_replay() -> None:
    readers = RequiredReaders(("bridge",))
    readers.confirm_provisionally("bridge", provisional_token(7))
    readers.drop_provisional()
    assert readers.slowest() == ("bridge", 0)
