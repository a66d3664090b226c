"""Routes: what those of a provider have in common is one thing, and goes with the last of them."""

import gc

from support.inprocess import endpoint, make_plane, provider, routes_of, simple_snapshot, snapshot_of

from edgeproxy.proxy.routes import RouteBook


def test_what_the_routes_of_a_provider_have_in_common_is_made_once() -> None:
    snapshot = snapshot_of([provider("a")], [endpoint("a", tag="one"), endpoint("a", tag="two")])
    first, second = routes_of(snapshot).routes
    for part in ("place", "json_head", "stream_head", "provider_text", "provider_header", "tariff", "provider_meter"):
        assert getattr(first, part) is getattr(second, part), part


def test_each_credential_has_its_own_head() -> None:
    endpoints = [endpoint("a", tag="one", secret="sk-one"), endpoint("a", tag="two", secret="sk-two")]
    first, second = routes_of(snapshot_of([provider("a")], endpoints)).routes
    assert b"Bearer sk-one\r\n" in first.json_head
    assert b"Bearer sk-two\r\n" in second.json_head


async def test_a_book_that_is_dropped_leaves_nothing_for_the_collector() -> None:
    """It knows credentials; after a reload the old ones are to be gone at once."""
    plane = make_plane(simple_snapshot("a"))
    assert isinstance(plane.snapshot, RouteBook)
    source = plane.snapshot.source
    gc.collect()
    gc.disable()
    try:
        book = RouteBook(source, plane.meters)
        del book
        left = [type(one).__name__ for one in gc.get_objects()]
        assert "_Builder" not in left
        assert left.count("RouteBook") == 1
    finally:
        gc.enable()
