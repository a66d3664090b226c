"""HTML by construction: every text is escaped, only what `element` made goes through as it is."""

from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None


def element(name: str, /, *children: Child, **attributes: str | int | None) -> Markup:
    """`<name>`; None is left out. `class_` and `data_label` are written `class` and `data-label`."""
    inside = "".join(_text(child) for child in children)
    return Markup(f"<{name}{_attributes(attributes)}>{inside}</{name}>")


def void(name: str, /, **attributes: str | int | None) -> Markup:
    """An element without a content."""
    return Markup(f"<{name}{_attributes(attributes)}>")


def join(*children: Child) -> Markup:
    return Markup("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else escape(str(child))


def _attributes(attributes: dict[str, str | int | None]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
