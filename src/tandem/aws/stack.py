"""What all stacks of an environment have in common."""

import os

from aws_cdk import App, Stack, Tags
from aws_cdk import Environment as Target

from tandem.aws.findings import accept
from tandem.aws.names import Names
from tandem.environment import Environment


class ZonalStack(Stack):
    """A stack that knows its zones from the environment file: asking AWS for them would need an account."""

    def __init__(self, app: App, stack: str, environment: Environment) -> None:
        self._zones = [zone.name for zone in environment.zones]
        target = Target(account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=environment.region)
        super().__init__(app, stack, stack_name=Names(environment.name).stack(stack), env=target)
        Tags.of(self).add("tandem:environment", environment.name)
        accept(self, {"CloudFormation-Validate::W3010": "The environment file names the zones: clusters are in them."})

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the environment file."""
        return self._zones
