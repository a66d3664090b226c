"""The manifests fit together, and a pod has no rights beyond serving."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load(FOLDER.joinpath("kustomization.yaml").read_text())
OBJECTS: dict[str, dict[str, Any]] = {
    item["kind"]: item
    for name in KUSTOMIZATION["resources"]
    for item in yaml.safe_load_all((FOLDER / name).read_text())
}
POD: dict[str, Any] = OBJECTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


def test_every_manifest_is_listed() -> None:
    listed = {*KUSTOMIZATION["resources"], *KUSTOMIZATION["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == listed


def test_api_versions_are_the_stable_ones() -> None:
    assert {kind: item["apiVersion"] for kind, item in OBJECTS.items()} == {
        "Namespace": "v1",
        "Deployment": "apps/v1",
        "Service": "v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "PodDisruptionBudget": "policy/v1",
    }


def test_ports_that_are_named_exist() -> None:
    rules = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    named = {port["port"] for rule in rules for port in rule["ports"]}
    named |= {port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]}
    named |= {CONTAINER[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert named == set(PORTS)


def test_the_service_does_not_publish_the_ops_port() -> None:
    assert [port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]] == ["api"]


def test_the_ops_port_answers_one_namespace() -> None:
    for rule in OBJECTS["NetworkPolicy"]["spec"]["ingress"]:
        if {"port": "ops"} in rule["ports"]:
            assert rule["from"]


def test_probes_ask_the_ops_listener() -> None:
    paths = {probe: CONTAINER[f"{probe}Probe"]["httpGet"] for probe in ("liveness", "readiness")}
    assert paths == {"liveness": {"path": "/livez", "port": "ops"}, "readiness": {"path": "/readyz", "port": "ops"}}


def test_a_pod_may_drain() -> None:
    assert POD["terminationGracePeriodSeconds"] == 330


def test_a_pod_is_restricted() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == 10001
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_configuration_is_mounted_where_the_command_looks() -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert CONTAINER["args"][-1] == f"{mounts['config']}/edgeproxy.yaml"
    assert {volume["name"] for volume in POD["volumes"]} == set(mounts)


def test_secrets_come_from_a_secret() -> None:
    assert CONTAINER["envFrom"] == [{"secretRef": {"name": "edgeproxy"}}]
    assert "env" not in CONTAINER
