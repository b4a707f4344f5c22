"""The function behind Custom::PclusterCluster: of a cluster, only the head node's instance is made; its rules hold."""

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import boto3

RULES = Path(__file__).with_name("own_rules.py")


def handler(event, _context):
    """Answers every event."""
    properties = event["ResourceProperties"]
    name = properties["ClusterName"]
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": name,
        **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
    }
    try:
        answer["Data"] = {"Create": create, "Update": update, "Delete": delete}[event["RequestType"]](name, event)
    except Exception as error:  # noqa: BLE001 - every event is answered
        answer |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"}
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=10).read()  # noqa: S310


def create(name, event):
    """What it refers to must be there; then a head node runs."""
    configuration = event["ResourceProperties"]["ClusterConfiguration"]
    must_be_allowed(name, None, configuration)
    must_be_there(configuration)
    if instances(name):
        raise RuntimeError(f"cluster {name} already exists")
    head = configuration["HeadNode"]
    network = head["Networking"]
    groups = network.get("SecurityGroups", []) + network.get("AdditionalSecurityGroups", [])
    boto3.client("ec2").run_instances(
        ImageId=boto3.client("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType=head["InstanceType"],
        MinCount=1,
        MaxCount=1,
        SubnetId=network["SubnetId"],
        **({"SecurityGroupIds": groups} if groups else {}),
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "parallelcluster:cluster-name", "Value": name}]}
        ],
    )
    return attributes(name, event)


def update(name, event):
    """As ParallelCluster's update policy allows with a running fleet."""
    if event["OldResourceProperties"]["ClusterName"] != name:
        raise RuntimeError("the name of a cluster cannot be changed")
    new = event["ResourceProperties"]["ClusterConfiguration"]
    must_be_allowed(name, event["OldResourceProperties"]["ClusterConfiguration"], new)
    must_be_there(new)
    return attributes(name, event)


def delete(name, _event):
    """The head node goes; one that never came is no failure."""
    ids = [instance["InstanceId"] for instance in instances(name)]
    if ids:
        boto3.client("ec2").terminate_instances(InstanceIds=ids)
    return {}


def instances(name):
    """Those of the cluster."""
    answer = boto3.client("ec2").describe_instances(
        Filters=[
            {"Name": "tag:parallelcluster:cluster-name", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )
    return [instance for found in answer["Reservations"] for instance in found["Instances"]]


def attributes(name, event):
    """Those of the provider's attributes that templates use. The configuration is left where tests find it."""
    bucket = f"{os.environ['AWS_REGION']}-aws-parallelcluster"
    body = json.dumps(event["ResourceProperties"]["ClusterConfiguration"])
    boto3.client("s3").put_object(Bucket=bucket, Key=f"configurations/{name}.json", Body=body)
    head = instances(name)[0]
    return {
        "headNode.privateIpAddress": head["PrivateIpAddress"],
        "headNode.instanceId": head["InstanceId"],
        "clusterName": name,
        "clusterStatus": "CREATE_COMPLETE",
    }


def must_be_allowed(name, old, new):
    """Raise what ParallelCluster's own code says against it."""
    asked = json.dumps({"name": name, "old": old, "new": new})
    command = [os.environ["EMULATOR_PARALLELCLUSTER"], str(RULES)]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr[-800:])
    judged = json.loads(done.stdout)
    if not judged["allowed"]:
        raise RuntimeError("; ".join(judged["why"]))


def must_be_there(configuration):
    """Everything that the configuration names by its id is in the account."""
    text = json.dumps(configuration)
    ec2 = boto3.client("ec2")
    if found := set(re.findall(r"subnet-[0-9a-f]+", text)):
        ec2.describe_subnets(SubnetIds=sorted(found))
    if found := set(re.findall(r"\bsg-[0-9a-f]+", text)):
        ec2.describe_security_groups(GroupIds=sorted(found))
    if found := set(re.findall(r"vol-[0-9a-f]+", text)):
        ec2.describe_volumes(VolumeIds=sorted(found))
    for secret in set(re.findall(r"arn:aws:secretsmanager:[^\"]+", text)):
        boto3.client("secretsmanager").describe_secret(SecretId=secret)
    for policy in set(re.findall(r"arn:aws:iam::[0-9]{12}:policy/[^\"]+", text)):
        boto3.client("iam").get_policy(PolicyArn=policy)
    for storage in configuration.get("SharedStorage", []):
        if system := storage.get("EfsSettings", {}).get("FileSystemId"):
            boto3.client("efs").describe_file_systems(FileSystemId=system)
        if system := storage.get("FsxLustreSettings", {}).get("FileSystemId"):
            boto3.client("fsx").describe_file_systems(FileSystemIds=[system])
