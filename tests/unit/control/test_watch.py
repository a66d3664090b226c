"""Files that change are noticed once, when they are at rest; what is still being written is not."""

import os
from pathlib import Path

import pytest

from edgeproxy.control.watch import Watch
from edgeproxy.domain.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edgeproxy.yaml"
    path.write_text("one")
    return path


def looks(watch: Watch, count: int = 3) -> list[bool]:
    """As the supervisor does: what has changed is read at once."""
    return [(is_changed := watch.look()) and watch.reading(lambda: is_changed) for _ in range(count)]


def test_nothing_changes_by_itself(file: Path) -> None:
    assert looks(Watch(lambda: [str(file)])) == [False, False, False]


def test_an_edit_counts_once_when_the_file_is_at_rest(file: Path) -> None:
    watch = Watch(lambda: [str(file)])
    file.write_text("two, longer")
    assert looks(watch) == [False, True, False]


def test_a_file_that_is_still_written_is_left_alone(file: Path) -> None:
    watch = Watch(lambda: [str(file)])
    for size in range(5):
        file.write_text("x" * (10 + size))
        assert not watch.look()
    assert looks(watch) == [True, False, False]


def test_a_file_of_the_same_size_and_time_in_its_place_is_a_change(file: Path, tmp_path: Path) -> None:
    watch = Watch(lambda: [str(file)])
    other = tmp_path / "new"
    other.write_text("two")
    state = file.stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.rename(file)
    assert looks(watch) == [False, True, False]


def test_a_link_that_is_swapped_is_a_change(tmp_path: Path) -> None:
    """How Kubernetes writes a ConfigMap."""
    for name in ("v1", "v2"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "current"
    link.symlink_to("v1")
    watch = Watch(lambda: [str(link)])
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(link)
    assert looks(watch) == [False, True, False]


def test_a_file_that_is_gone_and_comes_back_the_same_is_no_change(file: Path, tmp_path: Path) -> None:
    watch = Watch(lambda: [str(file)])
    file.rename(tmp_path / "away")
    assert not watch.look()
    (tmp_path / "away").rename(file)
    assert looks(watch) == [False, False, False]


def test_a_change_while_it_is_read_is_not_overlooked(file: Path) -> None:
    watch = Watch(lambda: [str(file)])
    watch.reading(lambda: file.write_text("written meanwhile"))
    assert looks(watch) == [False, True, False]


def test_what_a_new_version_includes_is_watched_too(file: Path, tmp_path: Path) -> None:
    files = [str(file)]
    included = tmp_path / "secret"
    included.write_text("1")
    watch = Watch(lambda: files)
    watch.reading(lambda: files.append(str(included)))
    assert looks(watch) == [False, False, False]
    included.write_text("rotated")
    assert looks(watch) == [False, True, False]


def test_a_refused_version_is_not_read_again_and_again(file: Path) -> None:
    watch = Watch(lambda: [str(file)])
    file.write_text("broken: [")

    def refuse() -> None:
        raise ConfigError("refused")

    watch.look()
    assert watch.look()
    with pytest.raises(ConfigError):
        watch.reading(refuse)
    assert not watch.look()
