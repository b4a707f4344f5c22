"""A stand-in for ParallelCluster's CloudFormation provider: its template in its bucket, and the function behind it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

TEMPLATE = "parallelcluster/{version}/templates/custom_resource/cluster.yaml"
CODE = "parallelcluster/{version}/stand-in.zip"


def publish(s3: Any, region: str, version: str) -> None:
    """Put it where ParallelCluster's own lies."""
    bucket = f"{region}-aws-parallelcluster"
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **place)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        for name in ("provider.py", "own_rules.py"):
            archive.write(Path(__file__).with_name(name), name)
    key = CODE.format(version=version)
    s3.put_object(Bucket=bucket, Key=key, Body=code.getvalue())
    s3.put_object(Bucket=bucket, Key=TEMPLATE.format(version=version), Body=json.dumps(template(bucket, key)))


def template(bucket: str, key: str) -> dict[str, Any]:
    """With the parameters and the output of ParallelCluster's."""
    function = {
        "Handler": "provider.handler",
        "Runtime": "python3.12",
        "Timeout": 900,
        "Role": {"Fn::If": ["OwnRole", {"Fn::GetAtt": ["Role", "Arn"]}, {"Ref": "CustomLambdaRole"}]},
        "Code": {"S3Bucket": bucket, "S3Key": key},
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
    return {
        "Parameters": {
            "CustomLambdaRole": {"Type": "String", "Default": ""},
            "AdditionalIamPolicies": {"Type": "CommaDelimitedList", "Default": ""},
            "CustomBucket": {"Type": "String", "Default": ""},
        },
        "Conditions": {"OwnRole": {"Fn::Equals": [{"Ref": "CustomLambdaRole"}, ""]}},
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Condition": "OwnRole",
                "Properties": {"AssumeRolePolicyDocument": trust},
            },
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        },
        "Outputs": {"ServiceToken": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}}},
    }
