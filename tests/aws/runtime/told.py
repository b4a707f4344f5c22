"""What a portal node is told, as the portal's stack says it: the templates' tests compare."""

from typing import Any

from tandem.aws.names import Names

NAMES = Names("demo")
SETTINGS: dict[str, Any] = {
    "public_url": "https://demo.example.org",
    "balancer_networks": ["10.0.0.0/24"],
    "portal_networks": ["10.0.2.0/24"],
    "database": {"host": "localhost", "port": 3306, "name": "tandem", "user": "tandem"},
    "environment": {"bucket": "assets", "key": "first.yaml"},
    "clusters": ["cluster1", "cluster2"],
    "secrets": {
        "authority": NAMES.authority,
        "django": NAMES.django,
        "database": NAMES.database_portal,
        "administrator": NAMES.administrator,
    },
    "log_group": NAMES.logs("portal"),
}
VARIABLES = {
    "TANDEM_PARAMETER": NAMES.portal,
    "TANDEM_REGION": "eu-central-1",
    "TANDEM_STACK": NAMES.stack("Portal"),
    "TANDEM_RESOURCE": "Group",
    "TANDEM_WHEELHOUSE": "s3://assets/wheels.zip",
}
