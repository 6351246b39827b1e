"""Validates manifests against the schemas of several releases of Kubernetes.

usage: manifests.py SERVICEMONITOR_SCHEMA FILE...

A field that a schema does not know is refused: Kubernetes would drop it, and what
it was meant to do would not happen.
"""

import json
import sys

import jsonschema
import kubernetes_validate
import yaml

RELEASES = ("1.30", "1.33", "1.37")

with open(sys.argv[1]) as f:
    monitor = json.load(f)

kinds = set()
for path in sys.argv[2:]:
    with open(path) as f:
        resources = [r for r in yaml.safe_load_all(f) if r]
    names = [(r["kind"], r["metadata"]["name"]) for r in resources]
    assert len(set(names)) == len(names), f"{path}: two resources of one name: {names}"
    for resource in resources:
        kind = resource["kind"]
        kinds.add(kind)
        try:
            if kind == "ServiceMonitor":
                jsonschema.validate(resource, monitor)
                continue
            for release in RELEASES:
                kubernetes_validate.validate(resource, release, strict=True)
        except Exception as e:
            sys.exit(f"{path}: {kind} {resource['metadata']['name']}: {e}")
    print(f"{path}: {len(resources)} resources")
print("kinds:", " ".join(sorted(kinds)))
