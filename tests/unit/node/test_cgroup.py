"""What a control group allows, in both versions, as far up as it can be seen."""

from pathlib import Path

import pytest

from edgeproxy.node import cgroup


@pytest.fixture
def of(tmp_path: Path) -> Path:
    path = tmp_path / "of"
    path.write_text("0::/system.slice/edgeproxy.service\n")
    return path


def write(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def test_version_2_own_group(tmp_path: Path, of: Path) -> None:
    root = tmp_path / "fs"
    group = write(root / "system.slice/edgeproxy.service", cpu__max="150000 100000\n", memory__max="1073741824\n")
    assert cgroup.cpu_quota(root, of) == 1.5
    assert cgroup.memory_limit(root, of) == (2**30, group)


def test_the_least_of_the_groups_above_counts(tmp_path: Path, of: Path) -> None:
    root = tmp_path / "fs"
    above = write(root / "system.slice", cpu__max="100000 100000", memory__max="1000")
    write(root / "system.slice/edgeproxy.service", cpu__max="max 100000", memory__max="2000")
    assert cgroup.cpu_quota(root, of) == 1.0
    assert cgroup.memory_limit(root, of) == (1000, above)


def test_in_a_container_the_group_is_the_root(tmp_path: Path, of: Path) -> None:
    root = write(tmp_path / "fs", cpu__max="200000 100000", memory__max="500")
    of.write_text("0::/\n")
    assert (cgroup.cpu_quota(root, of), cgroup.memory_limit(root, of)) == (2.0, (500, root))


def test_version_1(tmp_path: Path, of: Path) -> None:
    of.write_text("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n")
    root = tmp_path / "fs"
    write(root / "cpu,cpuacct/docker/x", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n")
    group = write(root / "memory/docker/x", memory__limit_in_bytes="4096\n")
    assert cgroup.cpu_quota(root, of) == 0.5
    assert cgroup.memory_limit(root, of) == (4096, group)


def test_no_limit_is_none(tmp_path: Path, of: Path) -> None:
    root = write(tmp_path / "fs", cpu__max="max 100000", memory__max="max")
    assert (cgroup.cpu_quota(root, of), cgroup.memory_limit(root, of)) == (None, None)
    write(root, memory__max="", memory__limit_in_bytes="9223372036854771712")
    assert cgroup.memory_limit(root, of) is None


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cgroup.cpu_quota(tmp_path / "none", tmp_path / "none") is None


def test_files_that_the_system_can_drop_are_not_used_memory(tmp_path: Path) -> None:
    group = write(tmp_path / "g", memory__current="1000\n", memory__stat="anon 600\ninactive_file 300\nfile 400\n")
    assert cgroup.memory_used(group) == 700
