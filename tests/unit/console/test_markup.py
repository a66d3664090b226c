"""Nothing that comes from outside becomes markup."""

from edgeproxy.console.markup import element, join, void

EVIL = "<script>alert(1)</script>\"'&"


def test_text_is_escaped() -> None:
    assert element("td", EVIL) == "<td>&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;</td>"


def test_attributes_are_escaped() -> None:
    assert "<script" not in void("input", value=EVIL)
    assert "\"'" not in void("input", value=EVIL)


def test_elements_nest_and_none_is_nothing() -> None:
    assert element("p", element("b", "x"), None, 3, class_="note", data_label=None) == '<p class="note"><b>x</b>3</p>'


def test_joined_text_is_escaped() -> None:
    assert join("<", element("b", "x")) == "&lt;<b>x</b>"
