"""The clusters' stack: ParallelCluster's own resource, and everything that it needs before it."""

import hashlib
from typing import Any

from tests.aws.templates.synthesis import Templates, flat

from tandem.aws.names import Names
from tandem.aws.packages import HERE

STACK = "Clusters"
CLUSTERS = ("cluster1", "cluster2")
LOADER = "df3999380da4747cf0ae805997fe76e8ff2e7dbe6090e73e93547f434dcbfda2"


def clusters(templates: Templates) -> dict[str, dict[str, Any]]:
    """The clusters' resources, by ParallelCluster's name."""
    found = [one for one in templates.resources[STACK].values() if one["Type"] == "Custom::PclusterCluster"]
    return {one["Properties"]["ClusterName"]: one for one in found}


def configurations(templates: Templates) -> list[dict[str, Any]]:
    return [one["Properties"]["ClusterConfiguration"] for one in clusters(templates).values()]


def test_each_cluster_is_a_resource_that_goes_with_its_stack(templates: Templates) -> None:
    found = clusters(templates)
    assert sorted(found) == ["tandem-cluster1", "tandem-cluster2"]
    for cluster in found.values():
        assert cluster["Properties"]["DeletionPolicy"] == "Delete"
        assert cluster["DeletionPolicy"] == "Delete"


def test_parallelclusters_own_provider_of_that_version_answers_for_them(templates: Templates) -> None:
    provider = templates.one(STACK, "AWS::CloudFormation::Stack")
    assert flat(provider["TemplateURL"]) == (
        "https://eu-central-1-aws-parallelcluster.s3.eu-central-1.<AWS::URLSuffix>/parallelcluster/3.16.1/templates/"
        "custom_resource/cluster.yaml"
    )
    for cluster in clusters(templates).values():
        assert flat(cluster["Properties"]["ServiceToken"]).endswith(".Outputs.ServiceToken>")


def test_each_is_in_its_own_zone(templates: Templates) -> None:
    for number, configuration in enumerate(configurations(templates), start=1):
        subnet = f"clusterSubnet{number}"
        assert subnet in flat(configuration["HeadNode"]["Networking"]["SubnetId"])
        for queue in configuration["Scheduling"]["SlurmQueues"]:
            assert [subnet in flat(one) for one in queue["Networking"]["SubnetIds"]] == [True]


def test_each_mounts_what_is_shared_and_its_own_scratch_only(templates: Templates) -> None:
    for number, configuration in enumerate(configurations(templates), start=1):
        shared, scratch = configuration["SharedStorage"]
        assert shared["MountDir"] == "/efs"
        assert shared["EfsSettings"]["EncryptionInTransit"] is True
        assert scratch["MountDir"] == f"/fsx_cluster{number}"
        assert f"Scratchcluster{number}" in flat(scratch["FsxLustreSettings"]["FileSystemId"])


def test_scratch_is_there_whatever_it_is_made_of(otherwise: Templates) -> None:
    first, second = (configuration["SharedStorage"][1] for configuration in configurations(otherwise))
    assert (first["MountDir"], first["StorageType"], list(first["EbsSettings"])) == (
        "/fsx_cluster1",
        "Ebs",
        ["VolumeId"],
    )
    assert (second["MountDir"], second["StorageType"]) == ("/fsx_cluster2", "Efs")


def test_each_keeps_its_accounting_in_a_database_of_its_own(templates: Templates) -> None:
    databases = [one["Scheduling"]["SlurmSettings"]["Database"] for one in configurations(templates)]
    assert [(one["UserName"], one["DatabaseName"]) for one in databases] == [
        ("slurm_cluster1", "slurm_cluster1"),
        ("slurm_cluster2", "slurm_cluster2"),
    ]
    assert len({flat(one["PasswordSecretArn"]) for one in databases}) == 2
    assert all(flat(one["Uri"]).endswith(":3306") for one in databases)


def test_each_has_a_munge_key_of_its_own(templates: Templates) -> None:
    keys = {flat(one["Scheduling"]["SlurmSettings"]["MungeKeySecretArn"]) for one in configurations(templates)}
    assert len(keys) == 2
    made = templates.of(STACK, "AWS::SecretsManager::Secret")
    secrets = {one["Name"]: one["GenerateSecretString"] for one in made if "munge" in one["Name"]}
    assert set(secrets) == {"tandem/tandem/munge/cluster1", "tandem/tandem/munge/cluster2"}
    for wanted in secrets.values():
        # Whole groups of four letters and digits are base64; munge wants 32 to 1024 bytes.
        assert wanted["ExcludePunctuation"] is True
        assert wanted["PasswordLength"] % 4 == 0
        assert 32 <= wanted["PasswordLength"] * 3 // 4 <= 1024


def test_nobody_but_the_portal_and_session_manager_gets_in(templates: Templates) -> None:
    for configuration in configurations(templates):
        head = configuration["HeadNode"]
        assert head["Ssh"] == {"AllowedIps": "127.0.0.1/32"}
        assert "SecurityGroups" not in head["Networking"]
        policies = [flat(one["Policy"]) for one in head["Iam"]["AdditionalIamPolicies"]]
        assert policies[0] == "arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore"
        assert head["Imds"] == {"Secured": True}
        assert configuration["Imds"] == {"ImdsSupport": "v2.0"}


def test_a_key_pair_is_the_operators_if_they_name_one(otherwise: Templates) -> None:
    for configuration in configurations(otherwise):
        assert configuration["HeadNode"]["Ssh"]["KeyName"] == "operators"


def test_the_loader_stays_where_it_is_while_the_content_changes(templates: Templates) -> None:
    for name, configuration in zip(CLUSTERS, configurations(templates), strict=True):
        actions = configuration["HeadNode"]["CustomActions"]
        first, updated = actions["OnNodeConfigured"], actions["OnNodeUpdated"]
        assert flat(first["Script"]) == flat(updated["Script"])
        assert flat(first["Script"]).startswith("s3://")
        # What cannot be changed says nothing that changes.
        assert first["Args"] == ["tandem", name]
        assert updated["Args"][:2] == ["tandem", name]
        assert len(updated["Args"]) == 3
        for queue in configuration["Scheduling"]["SlurmQueues"]:
            assert queue["CustomActions"]["OnNodeConfigured"] == first


def test_nodes_find_the_content_before_they_look_for_it(templates: Templates) -> None:
    parameters = templates.named(STACK, "AWS::SSM::Parameter")
    contents = {one["Name"]: name for name, one in parameters.items() if one["Name"].endswith("/content")}
    for cluster in CLUSTERS:
        name = contents[f"/tandem/tandem/clusters/{cluster}/content"]
        address, path = flat(parameters[name]["Value"]).split(" ")
        assert address.startswith("s3://")
        assert path == f"/fsx_{cluster}"
        assert name in clusters(templates)[f"tandem-{cluster}"]["DependsOn"]


def test_parameters_that_others_write_go_with_the_environment(templates: Templates) -> None:
    parameters = {one["Name"]: flat(one["Value"]) for one in templates.of(STACK, "AWS::SSM::Parameter")}
    assert {parameters[f"/tandem/tandem/clusters/{cluster}/host-key"] for cluster in CLUSTERS} == {"-"}
    assert {parameters[f"/tandem/tandem/people/{part}"] for part in range(16)} == {"-"}
    for cluster in CLUSTERS:
        assert parameters[f"/tandem/tandem/clusters/{cluster}/address"].endswith(".headNode.privateIpAddress>")


def test_the_authority_is_made_once_and_its_public_half_published(templates: Templates) -> None:
    made = templates.one(STACK, "Custom::TandemAuthority")
    assert set(made) == {"ServiceToken", "SecretArn"}
    (public,) = [one for one in templates.of(STACK, "AWS::SSM::Parameter") if one["Name"] == "/tandem/tandem/authority"]
    assert flat(public["Value"]).endswith(".PublicKey>")


def writes(templates: Templates) -> dict[str, list[str]]:
    """What managed policies let be written, by logical id."""
    return {
        name: [flat(one) for one in _listed(statement["Resource"])]
        for stack, name, statement in templates.statements()
        if stack == STACK and "ssm:PutParameter" in _listed(statement["Action"])
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_head_node_writes_its_own_host_key_and_nothing_else(templates: Templates) -> None:
    found = writes(templates)
    assert len(found) == 2
    for number, (name, resources) in enumerate(sorted(found.items()), start=1):
        assert f"cluster{number}Head" in name
        assert len(resources) == 1
        assert resources[0].endswith(f":parameter/tandem/tandem/clusters/cluster{number}/host-key")
    # Compute nodes, where people's programs run, have the policy that writes nothing.
    for configuration in configurations(templates):
        for queue in configuration["Scheduling"]["SlurmQueues"]:
            policies = [flat(one["Policy"]) for one in queue["Iam"]["AdditionalIamPolicies"]]
            assert not any("Head" in policy for policy in policies)


def test_nodes_read_the_parameters_of_their_own_cluster_only(templates: Templates) -> None:
    names = Names("tandem")
    for stack, name, statement in templates.statements():
        if stack == STACK and "ssm:GetParameter" in _listed(statement["Action"]):
            (cluster,) = [one for one in CLUSTERS if one in name]
            (other,) = [one for one in CLUSTERS if one not in name]
            paths = [flat(one).partition(":parameter")[2] for one in statement["Resource"]]
            # What a node that is set up in tests/aws/runtime asks for.
            assert {names.content(cluster), names.authority_public, *names.people_parts} <= set(paths)
            assert not any(other in path or "*" in path or path.endswith("/portal") for path in paths)


def test_outputs_say_what_the_clusters_are_called_and_where_secrets_are(templates: Templates) -> None:
    outputs = templates.stacks[STACK]["Outputs"]
    assert outputs["ClusterNames"]["Value"] == "tandem-cluster1, tandem-cluster2"
    assert outputs["Secrets"]["Value"] == "tandem/tandem/"


def test_the_loader_never_changes() -> None:
    """Its address holds its hash and cannot change while a cluster lives: what changes belongs in the content."""
    loader = (HERE / "clusters" / "runtime" / "loader.sh").read_bytes()
    assert hashlib.sha256(loader).hexdigest() == LOADER
