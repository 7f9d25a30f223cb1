import string
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.feeds.token import NO_EVENT, Token, decode, short_digest
from mesh.serving.errors import TokenMalformedError

EIGHT_BYTES = st.binary(min_size=8, max_size=8)
TOKENS = st.builds(Token, EIGHT_BYTES, EIGHT_BYTES, st.integers(0, 2**64 - 1), EIGHT_BYTES)
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(TOKENS)
def test_a_token_decodes_to_the_encoded_values(token: Token) -> None:
    assert decode(token.encode()) == token


@given(TOKENS, st.data())
def test_a_token_with_any_character_changed_is_refused(token: Token, data: st.DataObject) -> None:
    text = token.encode()
    index = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.one_of(st.sampled_from(ALPHABET), st.characters()).filter(lambda c: c != text[index]))
    with pytest.raises(TokenMalformedError):
        decode(text[:index] + other + text[index + 1 :])


def test_a_token_has_one_spelling_although_its_last_character_has_bits_that_mean_nothing() -> None:
    text = Token(b"12345678", b"world\0\0\0", 42).encode()
    others = [text[:-1] + last for last in ALPHABET if last != text[-1]]
    same = [other for other in others if urlsafe_b64decode(other + "==") == urlsafe_b64decode(text + "==")]
    assert same
    for other in same:
        with pytest.raises(TokenMalformedError):
            decode(other)


@given(TOKENS, st.data())
def test_a_truncated_token_is_refused(token: Token, data: st.DataObject) -> None:
    text = token.encode()
    with pytest.raises(TokenMalformedError):
        decode(text[: data.draw(st.integers(0, len(text) - 1))])


@given(TOKENS, st.text(min_size=1, max_size=8))
def test_an_extended_token_is_refused(token: Token, more: str) -> None:
    for text in (token.encode() + more, more + token.encode()):
        with pytest.raises(TokenMalformedError):
            decode(text)


@given(st.text(max_size=120))
def test_no_other_text_is_a_token_and_the_refusal_names_the_field(text: str) -> None:
    with pytest.raises(TokenMalformedError) as caught:
        decode(text, field="place")
    assert caught.value.metadata == {"field": "place"}


def test_tokens_of_an_earlier_version_are_read() -> None:
    text = "ATEyMzQ1Njc4d29ybGQAAAAAAAAAAAAAKgECAwQFBgcIq73uJw"
    token = Token(b"12345678", b"world\0\0\0", 42, bytes(range(1, 9)))
    assert token.encode() == text
    assert decode(text) == token


def test_a_token_of_another_version_is_refused_with_that_version() -> None:
    text = "AjEyMzQ1Njc4d29ybGQAAAAAAAAAAAAAKgECAwQFBgcI8KpfMg"
    with pytest.raises(TokenMalformedError, match="version 2 is not known here"):
        decode(text)


def test_the_position_before_the_first_event_has_no_digest() -> None:
    assert Token(bytes(8), bytes(8), 0).digest == NO_EVENT == bytes(8)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_different_data_have_different_digests(one: bytes, other: bytes) -> None:
    assert (short_digest(one) == short_digest(other)) == (one == other)
    assert len(short_digest(one)) == 8


@given(st.binary(min_size=64, max_size=512), st.binary(min_size=1, max_size=8))
def test_data_with_a_common_prefix_have_different_digests(data: bytes, more: bytes) -> None:
    assert short_digest(data) != short_digest(data + more)
