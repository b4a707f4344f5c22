"""Launch templates and groups of instances. Nothing boots: user data is run by tests of its own."""

from typing import Any

from tests.aws.emulator.kinds import Kind, Properties, lower, truth

NUMBERS = {"VolumeSize", "Iops", "Throughput", "HttpPutResponseHopLimit", "DeviceIndex", "NetworkCardIndex"}


def typed(node: Any) -> Any:
    """Numbers and truth values as the API wants them: templates may have them as text."""
    if isinstance(node, dict):
        return {key: int(value) if key in NUMBERS else typed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [typed(item) for item in node]
    if node in ("true", "false"):
        return truth(node)
    return node


class LaunchTemplate(Kind):
    type = "AWS::EC2::LaunchTemplate"
    replaced_by = frozenset({"LaunchTemplateName"})

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").create_launch_template(
            LaunchTemplateName=properties.get("LaunchTemplateName") or self.name(),
            LaunchTemplateData=typed(properties["LaunchTemplateData"]),
        )["LaunchTemplate"]
        self.id = answer["LaunchTemplateId"]
        self._versions(1)

    def _versions(self, latest: int) -> None:
        self.attributes = {
            "LaunchTemplateId": self.id,
            "DefaultVersionNumber": "1",
            "LatestVersionNumber": str(latest),
        }

    def update(self, properties: Properties, before: Properties) -> None:
        answer = self.client("ec2").create_launch_template_version(
            LaunchTemplateId=self.id, LaunchTemplateData=typed(properties["LaunchTemplateData"])
        )
        self._versions(answer["LaunchTemplateVersion"]["VersionNumber"])

    def delete(self) -> None:
        self.client("ec2").delete_launch_template(LaunchTemplateId=self.id)


class InstanceGroup(Kind):
    type = "AWS::AutoScaling::AutoScalingGroup"

    def create(self, properties: Properties) -> None:
        self.id = properties.get("AutoScalingGroupName") or self.name()
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self.id,
            **self._wanted(properties),
            Tags=[{**tag, "PropagateAtLaunch": truth(tag["PropagateAtLaunch"])} for tag in properties.get("Tags", [])],
        )
        self.attributes = {"Arn": f"arn:aws:autoscaling:{self.context.region}:{self.context.account}:{self.id}"}

    def _wanted(self, properties: Properties) -> dict[str, Any]:
        numbers = ("MinSize", "MaxSize", "DesiredCapacity", "HealthCheckGracePeriod")
        subnets = properties["VPCZoneIdentifier"]
        return {
            **{name: int(properties[name]) for name in numbers if name in properties},
            **lower(properties, "LaunchTemplate", "HealthCheckType"),
            "VPCZoneIdentifier": ",".join(subnets) if isinstance(subnets, list) else subnets,
            **({"TargetGroupARNs": found} if (found := properties.get("TargetGroupARNs")) else {}),
        }

    def update(self, properties: Properties, before: Properties) -> None:
        wanted = self._wanted(properties)
        if wanted.pop("TargetGroupARNs", None) != before.get("TargetGroupARNs"):
            super().update(properties, before)
        self.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=self.id, **wanted)

    def delete(self) -> None:
        self.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=self.id, ForceDelete=True)


class Ignored(Kind):
    """What says something about the template, and makes nothing."""

    type = "AWS::CDK::Metadata"

    def create(self, properties: Properties) -> None:
        self.id = self.logical_id

    def update(self, properties: Properties, before: Properties) -> None:
        """Nothing to do."""

    def delete(self) -> None:
        """Nothing to do."""
