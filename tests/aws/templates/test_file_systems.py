"""The file systems: one that all clusters share, and one for each cluster alone."""

from tests.aws.templates.synthesis import Templates, flat


def test_what_is_shared_is_encrypted_and_has_a_mount_target_in_each_zone(templates: Templates) -> None:
    assert templates.one("EFS", "AWS::EFS::FileSystem")["Encrypted"] is True
    targets = templates.of("EFS", "AWS::EFS::MountTarget")
    assert len(targets) == len({flat(target["SubnetId"]) for target in targets}) == 2
    assert all("clusterSubnet" in flat(target["SubnetId"]) for target in targets)


def test_what_is_shared_is_mounted_with_tls_only(templates: Templates) -> None:
    policy = templates.one("EFS", "AWS::EFS::FileSystem")["FileSystemPolicy"]
    (denied,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert denied["Action"] == "*"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    (allowed,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    assert allowed["Condition"] == {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}


def test_what_nobody_reads_for_a_month_costs_less(templates: Templates) -> None:
    policies = templates.one("EFS", "AWS::EFS::FileSystem")["LifecyclePolicies"]
    assert {"TransitionToIA": "AFTER_30_DAYS"} in policies
    assert {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"} in policies


def test_backups_are_made_on_request(templates: Templates, otherwise: Templates) -> None:
    assert templates.one("EFS", "AWS::EFS::FileSystem").get("BackupPolicy", {"Status": "DISABLED"}) == {
        "Status": "DISABLED"
    }
    assert otherwise.one("EFS", "AWS::EFS::FileSystem")["BackupPolicy"] == {"Status": "ENABLED"}


def test_every_cluster_has_a_lustre_file_system_in_its_own_zone(templates: Templates) -> None:
    systems = templates.named("FSX", "AWS::FSx::FileSystem")
    assert len(systems) == 2
    for number, (name, system) in enumerate(sorted(systems.items()), start=1):
        assert f"cluster{number}" in name
        (subnet,), (group,) = system["SubnetIds"], system["SecurityGroupIds"]
        assert f"clusterSubnet{number}" in flat(subnet)
        assert f"Clustercluster{number}Scratch" in flat(group)
        assert system["StorageCapacity"] == 1200
        assert system["FileSystemTypeVersion"] == "2.15"
        assert system["LustreConfiguration"]["DeploymentType"] == "SCRATCH_2"


def test_scratch_can_be_a_disk_or_a_file_system_that_grows(otherwise: Templates) -> None:
    assert otherwise.of("FSX", "AWS::FSx::FileSystem") == []
    disk = otherwise.one("FSX", "AWS::EC2::Volume")
    assert disk["AvailabilityZone"] == "eu-central-1a"
    assert (disk["Size"], disk["VolumeType"], disk["Encrypted"]) == (1200, "gp3", True)
    growing = otherwise.one("FSX", "AWS::EFS::FileSystem")
    assert growing["Encrypted"] is True
    target = otherwise.one("FSX", "AWS::EFS::MountTarget")
    assert "clusterSubnet2" in flat(target["SubnetId"])
