"""Keys: their form, their checksum, what may be shown of them."""

import hashlib
import re

from edgeproxy.control.keys import digest, has_valid_shape, label, make_key


def test_a_key_has_the_form_that_clients_know() -> None:
    assert re.fullmatch(r"sk-edge-v1-[0-9a-f]{64}[0-9a-f]{8}", make_key())


def test_no_two_keys_are_the_same() -> None:
    assert len({make_key() for _ in range(200)}) == 200


def test_a_typing_error_is_found_by_the_checksum() -> None:
    key = make_key()
    assert has_valid_shape(key)
    for at in range(len("sk-edge-v1-"), len(key)):
        wrong = key[:at] + ("0" if key[at] != "0" else "1") + key[at + 1 :]
        assert not has_valid_shape(wrong)
    assert not has_valid_shape(key[:-1])
    assert not has_valid_shape(key + "0")
    assert not has_valid_shape("sk-edge-v1-é")


def test_a_key_with_another_prefix_is_never_refused_for_its_shape() -> None:
    assert has_valid_shape("sk-something-else")


def test_the_digest_is_sha256_of_the_whole_text() -> None:
    assert digest("sk-edge-v1-x") == hashlib.sha256(b"sk-edge-v1-x").hexdigest()


def test_the_label_shows_12_characters_and_3() -> None:
    key = make_key()
    assert label(key) == f"{key[:12]}...{key[-3:]}"
