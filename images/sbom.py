"""The software bill of materials of an environment, as CycloneDX 1.6 says it: python3 sbom.py NAME VERSION.

It lists what is installed, not what was asked for.
"""

import json
import sys
from importlib.metadata import Distribution, distributions


def licences(distribution: Distribution) -> list[dict[str, object]]:
    """As the distribution states them."""
    fields = distribution.metadata
    if fields.get("License-Expression"):
        return [{"expression": fields["License-Expression"]}]
    classified = [text for text in fields.get_all("Classifier") or [] if text.startswith("License ::")]
    if classified:
        return [{"license": {"name": text.rpartition(" :: ")[2]}} for text in classified]
    stated = (fields.get("License") or "").strip().partition("\n")[0]
    return [{"license": {"name": stated}}] if stated else []


def component(distribution: Distribution) -> dict[str, object]:
    """A distribution by its package URL."""
    name, version = distribution.metadata["Name"], distribution.version
    url = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "licenses": licences(distribution),
    }


def main(name: str, version: str) -> None:
    """Prints the bill."""
    found = {distribution.metadata["Name"].lower(): component(distribution) for distribution in distributions()}
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": [found[key] for key in sorted(found)],
    }
    print(json.dumps(bill, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
