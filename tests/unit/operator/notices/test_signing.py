"""The signature is the one of the Standard Webhooks specification, computed here once more by its words."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from sampler_rollouts.domain.notices.signing import headers, keys_of

KEY, OTHER = b"0123456789abcdef0123456789abcdef", b"x" * 24


def text(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_id_timestamp_and_body_are_signed() -> None:
    got = headers([KEY], "msg-1", 1_767_323_045, b'{"a":1}')

    expected = hmac.new(KEY, b'msg-1.1767323045.{"a":1}', hashlib.sha256).digest()
    assert got == {
        "webhook-id": "msg-1",
        "webhook-timestamp": "1767323045",
        "webhook-signature": "v1," + base64.b64encode(expected).decode(),
    }


def test_a_known_answer() -> None:
    """Of another program: printf m.1.b |openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | base64"""
    assert headers([KEY], "m", 1, b"b")["webhook-signature"] == "v1,30wUtPyl8y5Ha5D01pljhYFijVF/EjBo2ImT+D6kKxE="


@pytest.mark.parametrize("change", [{"identity": "n"}, {"timestamp": 2}, {"body": b"c"}, {"keys": [OTHER]}])
def test_each_part_counts(change: dict[str, object]) -> None:
    one: dict[str, object] = {"keys": [KEY], "identity": "m", "timestamp": 1, "body": b"b"}
    signature = headers(**one)["webhook-signature"]  # type: ignore[arg-type]
    assert headers(**{**one, **change})["webhook-signature"] != signature  # type: ignore[arg-type]


def test_while_a_key_is_replaced_both_sign() -> None:
    keys = keys_of(f"{text(OTHER)}\n{text(KEY)}\n")
    assert keys == [OTHER, KEY]
    first, second = headers(keys, "m", 1, b"b")["webhook-signature"].split(" ")
    assert [first, second] == [headers([key], "m", 1, b"b")["webhook-signature"] for key in keys]


@pytest.mark.parametrize(
    "given",
    ["", "secret-word", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", text(b"x" * 23), text(b"x" * 65),
     base64.b64encode(KEY).decode(), "\n".join([text(KEY)] * 5)],
)  # fmt: skip
def test_what_is_no_key_is_refused_unquoted(given: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        keys_of(given)
    assert "secret-word" not in str(caught.value)
