"""The database: in two zones, on the engine's long-term line, entered with TLS and an account of one's own."""

import json

from tests.aws.templates.synthesis import Templates, flat

STACK = "AuroraServerless"


def test_the_engine_is_pinned_to_the_long_term_line(templates: Templates) -> None:
    cluster = templates.one(STACK, "AWS::RDS::DBCluster")
    assert cluster["Engine"] == "aurora-mysql"
    assert cluster["EngineVersion"].startswith("8.0.mysql_aurora.3.10.")
    assert cluster["AutoMinorVersionUpgrade"] is False
    assert all(one["AutoMinorVersionUpgrade"] is False for one in templates.of(STACK, "AWS::RDS::DBInstance"))


def test_writer_and_reader_are_in_different_zones(templates: Templates) -> None:
    instances = templates.of(STACK, "AWS::RDS::DBInstance")
    assert {one["AvailabilityZone"] for one in instances} == {"eu-central-1a", "eu-central-1b"}
    assert {one["DBInstanceClass"] for one in instances} == {"db.serverless"}
    # Priority 1 follows the writer's capacity, so that it can take over at once.
    assert {one.get("PromotionTier", 1) for one in instances} <= {0, 1}
    assert not any(one.get("PubliclyAccessible") for one in instances)


def test_its_capacity_is_the_environment_files(templates: Templates) -> None:
    scaling = templates.one(STACK, "AWS::RDS::DBCluster")["ServerlessV2ScalingConfiguration"]
    assert scaling == {"MinCapacity": 0.5, "MaxCapacity": 4}


def test_it_is_encrypted_and_takes_encrypted_connections_only(templates: Templates) -> None:
    assert templates.one(STACK, "AWS::RDS::DBCluster")["StorageEncrypted"] is True
    parameters = templates.one(STACK, "AWS::RDS::DBClusterParameterGroup")["Parameters"]
    assert parameters["require_secure_transport"] == "ON"


def test_a_snapshot_is_left_when_asked_for(templates: Templates, otherwise: Templates) -> None:
    def policy(found: Templates) -> str:
        (cluster,) = [one for one in found.resources[STACK].values() if one["Type"] == "AWS::RDS::DBCluster"]
        return str(cluster["DeletionPolicy"])

    assert policy(templates) == "Delete"
    assert policy(otherwise) == "Snapshot"


def test_the_master_password_is_nowhere_in_clear(templates: Templates) -> None:
    password = flat(templates.one(STACK, "AWS::RDS::DBCluster")["MasterUserPassword"])
    assert password.startswith("{{resolve:secretsmanager:<")


def test_everybody_has_an_account_with_the_least_rights(templates: Templates) -> None:
    accounts = templates.of(STACK, "Custom::TandemDatabase")
    assert {(one["Database"], one["User"], one["Privileges"]) for one in accounts} == {
        ("tandem", "tandem", "portal"),
        ("slurm_cluster1", "slurm_cluster1", "accounting"),
        ("slurm_cluster2", "slurm_cluster2", "accounting"),
    }
    assert len({json.dumps(one["PasswordSecretArn"]) for one in accounts}) == 3


def test_accounts_are_made_when_the_writer_is_there(templates: Templates) -> None:
    (writer,) = [name for name in templates.named(STACK, "AWS::RDS::DBInstance") if "Writer" in name]
    for resource in templates.resources[STACK].values():
        if resource["Type"] == "Custom::TandemDatabase":
            assert writer in resource["DependsOn"]


def test_passwords_are_plain_text_as_slurm_needs_them(templates: Templates) -> None:
    secrets = {one["Name"]: one["GenerateSecretString"] for one in templates.of(STACK, "AWS::SecretsManager::Secret")}
    for name in ("portal", "cluster1", "cluster2"):
        wanted = secrets[f"tandem/tandem/database/{name}"]
        assert "SecretStringTemplate" not in wanted
        assert wanted["ExcludePunctuation"] is True
        assert wanted["PasswordLength"] >= 32


def test_the_function_works_inside_the_network_and_reads_these_secrets_only(templates: Templates) -> None:
    function = templates.one(STACK, "AWS::Lambda::Function")
    assert len(function["VpcConfig"]["SubnetIds"]) == 2
    (group,) = function["VpcConfig"]["SecurityGroupIds"]
    assert "DatabaseUsers" in flat(group)
    readable = [
        resource
        for stack, _, statement in templates.statements()
        if stack == STACK and "secretsmanager:GetSecretValue" in statement["Action"]
        for resource in statement["Resource"]
    ]
    assert len(readable) == 4
    assert all(flat(resource).startswith("<") for resource in readable)


def test_what_rds_logs_goes_with_the_database(templates: Templates) -> None:
    kinds = templates.one(STACK, "AWS::RDS::DBCluster")["EnableCloudwatchLogsExports"]
    groups = {one["LogGroupName"] for one in templates.of(STACK, "AWS::Logs::LogGroup")}
    assert {f"/aws/rds/cluster/tandem/{kind}" for kind in kinds} <= groups
