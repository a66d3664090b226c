"""Print the CycloneDX list of what a node runs, from a lock file: `python deploy/sbom.py requirements/base.txt`.

The same lock gives the same bytes, so that two builds can be compared: no time stamp, no random serial number.
"""

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)[^\n]*((?:\n\s+--hash=sha256:[0-9a-f]{64}[^\n]*)+)", re.MULTILINE)
ROOT = Path(__file__).parents[1]


def component(name: str, version: str, hashes: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower()}@{version}"
    digests = re.findall(r"sha256:([0-9a-f]{64})", hashes)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        # One for each file that the release has: a machine installs whichever fits it.
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
    }


def bill_of_materials(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["name"],
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [component(*match) for match in PIN.findall(lock)],
    }


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    print(json.dumps(bill_of_materials(Path(sys.argv[1]).read_text(), project), indent=1))


if __name__ == "__main__":
    main()
