"""What runs in a zone behaves as on AWS: elastic nodes, homes, storage, people that come and go."""

import json
import uuid
from functools import partial

import pytest
from tests.region import Region

pytestmark = pytest.mark.region


def nodes(region: Region, cluster: str) -> dict[str, str]:
    done = region.shell(f"head-{cluster}", "alice", ["sinfo", "-hN", "-o", "%N %T"])
    return dict(line.split() for line in done.stdout.splitlines())


def test_an_elastic_node_boots_for_a_job_and_is_seen_to(region: Region) -> None:
    head, script = "head-cluster1", "--wrap=sleep 2"
    argv = ["sbatch", "--parsable", "--partition=compute", "--exclusive", "--output=/dev/null", script]
    job = region.shell(head, "alice", argv).stdout.strip()
    seen: list[str] = []

    def ended() -> bool:
        state = region.shell(head, "alice", ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]).stdout.strip()
        seen.append(state)
        return state == "COMPLETED"

    region.wait(ended, "the job completes", 120)
    assert set(seen) <= {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "COMPLETED"}
    assert any(state == "idle" for name, state in nodes(region, "cluster1").items() if "-dy-" in name)


def test_ranks_on_two_nodes_speak_to_each_other(region: Region) -> None:
    source = """\
#include <mpi.h>
#include <stdio.h>
int main(int c, char **v) { int rank, sum = 0; MPI_Init(&c, &v); MPI_Comm_rank(MPI_COMM_WORLD, &rank);
static double block[1 << 18]; MPI_Bcast(block, 1 << 18, MPI_DOUBLE, 0, MPI_COMM_WORLD);
MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
if (!rank) printf("%d\\n", sum); MPI_Finalize(); }
"""
    build = ["sh", "-c", "cat > ring.c; mpicc -o ring ring.c"]
    assert region.shell("head-cluster1", "bob", build, data=source).returncode == 0
    srun = ["srun", "--partition=always-on", "--nodes=2", "--ntasks=4", "--mpi=pmix", "./ring"]
    done = region.shell("head-cluster1", "bob", srun, deadline=120)
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr


def test_each_node_has_its_own_name_processes_and_temporary_files(region: Region) -> None:
    one, other = "cluster1/always-on-st-1", "cluster1/always-on-st-2"
    assert region.shell(one, "alice", ["hostname"]).stdout == "always-on-st-1\n"
    region.shell(one, "alice", ["touch", "/tmp/mine"])
    assert region.shell(other, "alice", ["ls", "/tmp"]).stdout == ""
    assert region.shell(one, "alice", ["ps", "-e", "-o", "comm="]).stdout.split() == ["ps"]


def test_the_shared_file_system_is_one_and_scratch_is_each_clusters_own(region: Region) -> None:
    name = uuid.uuid4().hex
    region.shell(
        "head-cluster1", "alice", ["sh", "-c", f"umask 027; echo {name} > {name}; touch /fsx_cluster1/alice/{name}"]
    )
    read = ["cat", f"/efs/home/alice/{name}"]
    region.wait(lambda: region.shell("head-cluster2", "alice", read).stdout == f"{name}\n", "the other cluster sees it")
    mode = region.shell("head-cluster2", "alice", ["stat", "-c", "%a %U %G", f"/efs/home/alice/{name}"]).stdout
    assert mode == "640 alice alice\n"
    assert region.shell("head-cluster2", "alice", ["ls", "/fsx_cluster1"]).returncode != 0


def test_a_person_who_is_added_can_be_found_everywhere_and_one_who_is_disabled_nowhere(region: Region) -> None:
    name = "p" + uuid.uuid4().hex[:8]
    principals = f"/etc/ssh/tandem_principals/{name}"
    there = ["sh", "-c", f"test -s {principals} && stat -c %U:%a /efs/home/{name} /efs/spoolers/{name}"]
    gone = ["sh", "-c", f"test -e {principals} || id -un {name}"]
    with region.client(region.token()) as client:
        assert client.post("/api/v1/people", json={"username": name}).status_code in (200, 201)
        wait_for_answer(region, "root", there, f"{name}:700\n" * 2)
        assert client.post(f"/api/v1/people/{name}/disable").status_code == 200
        wait_for_answer(region, "root", gone, f"{name}\n")


def wait_for_answer(region: Region, user: str, argv: list[str], expected: str) -> None:
    """Wait until a command prints this on both head nodes."""
    for head in ("head-cluster1", "head-cluster2"):
        answers = partial(answer_is, region, head, user, argv, expected)
        region.wait(answers, f"{' '.join(argv)} on {head}: {expected}")


def answer_is(region: Region, head: str, user: str, argv: list[str], expected: str) -> bool:
    return region.shell(head, user, argv).stdout == expected


def test_administrators_operate_the_clusters_because_slurm_says_so(region: Region) -> None:
    level = ["sacctmgr", "-nP", "show", "user", region.administrator, "format=adminlevel"]
    wait_for_answer(region, "alice", level, "Operator\n")


def test_the_clusters_follow_who_is_made_an_administrator_or_put_into_a_group(region: Region) -> None:
    level = ["sacctmgr", "-nP", "show", "user", "carol", "format=adminlevel"]
    groups = ["sh", "-c", "id -nG carol | tr ' ' '\\n' | grep -cxE 'cfd|research'"]
    with region.client(region.token()) as client:
        assert client.post("/api/v1/people/carol/promote").status_code == 200
        assert client.post("/api/v1/people/carol/groups", json={"add": ["cfd", "research"]}).status_code == 200
        wait_for_answer(region, "alice", level, "Operator\n")
        wait_for_answer(region, "root", groups, "2\n")
        assert client.post("/api/v1/people/carol/demote").status_code == 200
        assert client.post("/api/v1/people/carol/groups", json={"remove": ["cfd", "research"]}).status_code == 200
        wait_for_answer(region, "alice", level, "None\n")
        wait_for_answer(region, "root", groups, "0\n")
        found = client.get("/api/v1/people", params={"search": "CAROL"}).json()["results"]
        assert [person["username"] for person in found] == ["carol"], "the real database tells capitals apart"


def test_status_is_data_for_programs(region: Region) -> None:
    status = region.status()
    assert status["portal_answers"] is True
    assert {zone["name"]: zone["condition"] for zone in status["zones"]} == dict.fromkeys(
        ["core", "eu-central-1a", "eu-central-1b"], "up"
    )
    assert json.dumps(status).count(region.password) == 0


def test_logs_can_be_read_by_service_and_by_zone(region: Region) -> None:
    assert "eu-central-1a/slurmctld-cluster1" in region.tandem("logs").stdout.split()
    assert "slurmctld" in region.tandem("logs", "slurmctld-cluster1").stdout
    assert "==>" in region.tandem("logs", "signer").stdout
    assert region.tandem("logs", "nothing-like-that", check=False).returncode != 0
