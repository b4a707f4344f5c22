"""Spoolers on real clusters: one zip of all files, deleted as their owner, removed when their time is over."""

import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.region import Region

from tandem.local.drill_database import DatabaseDrill

pytestmark = pytest.mark.region
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}
# Files as a job may leave them: names that deceive, a link to what is not the job's, a large one.
LEAVES = r"""#!/bin/sh
mkdir -p results/empty
head -c 3000000 /dev/urandom > results/data.bin
sha256sum < results/data.bin > sum
printf x > 'back\slash'
printf x > "$(printf 'caf\351')"
ln -s "$HOME" home
ln -s "../.tandem/$TANDEM_JOB_ID" control
mkfifo pipe
chmod 500 results
"""


@pytest.fixture(scope="module")
def portal(region: Region) -> Iterator[httpx.Client]:
    """The portal's API, for the administrator."""
    with region.client(region.token()) as client:
        client.follow_redirects = True
        yield client


def submit(portal: httpx.Client, script: str) -> dict[str, Any]:
    body = {"cluster": "cluster1", "queue": "always-on", "name": "a mesh study", "script": script}
    answer = portal.post("/api/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ended(region: Region, portal: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job, once it is over."""
    seen: dict[str, Any] = {}

    def is_over() -> bool:
        seen.update(portal.get(f"/api/v1/jobs/{job['id']}").raise_for_status().json())
        return seen["state"] in FINAL

    region.wait(is_over, "the job ends")
    return seen


def spooler_of(portal: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        portal.get(f"/api/v1/spoolers/{job['spooler'].rpartition('/')[2]}").raise_for_status().json()
    )
    return found


def expire(region: Region, spooler: dict[str, Any]) -> None:
    """Its time is over, and its owner was told."""
    then = "UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE"
    fields = f"expires_at={then}, expiry_told_at={then}, remove_not_before=NULL"
    which = f"REPLACE(id, '-', '') = '{uuid.UUID(spooler['id']).hex}'"
    DatabaseDrill(region.layout).ask(f"UPDATE tandem.jobs_spooler SET {fields} WHERE {which}")  # noqa: S608


def there(region: Region, host: str, path: str) -> bool:
    return region.shell(host, region.administrator, ["test", "-e", path]).returncode == 0


def test_all_files_come_as_one_zip_until_they_are_deleted(region: Region, portal: httpx.Client) -> None:
    job = ended(region, portal, submit(portal, LEAVES))
    assert job["state"] == "COMPLETED", job["reason"]
    spooler = spooler_of(portal, job)
    assert portal.patch(f"/api/v1/spoolers/{spooler['id']}", json={"name": "finer"}).json()["name"] == "finer"

    answer = portal.get(f"/api/v1/spoolers/{spooler['id']}/zip")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        data = archive.read("finer/results/data.bin")
        note = archive.read("finer/LEFT OUT.txt").decode()
    assert {"finer/output.txt", "finer/error.txt", "finer/results/empty/", "finer/back_slash", "finer/caf%E9"} <= names
    assert len(data) == 3_000_000
    assert not [name for name in names if name.startswith(("finer/home", "finer/control", "finer/pipe"))]
    assert "home: a link to elsewhere" in note

    # The directory that its owner may not write to goes too; what links led to stays, and so does the record.
    assert portal.delete(f"/api/v1/spoolers/{spooler['id']}").status_code == 202
    region.wait(lambda: spooler_of(portal, job)["fate"] == "removed", "the spooler is removed")
    claim = f"{spooler['path'].rpartition('/')[0]}/.tandem/{job['id']}/claim.0.0"
    for host in ("head-cluster1", "head-cluster2"):
        assert not there(region, host, spooler["path"])
        assert region.shell(host, region.administrator, ["readlink", claim]).stdout.startswith("run:")
    assert there(region, "head-cluster1", f"/efs/home/{region.administrator}")
    assert portal.get(f"/api/v1/spoolers/{spooler['id']}/zip").status_code == 410
    gone = portal.get(f"/api/v1/jobs/{job['id']}/outputs")
    assert (gone.status_code, "removed" in gone.json()["detail"]) == (404, True)
    assert portal.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "COMPLETED"


def test_nothing_is_removed_while_its_job_runs(region: Region, portal: httpx.Client) -> None:
    gate = f"/efs/home/{region.administrator}/gate-{uuid.uuid4().hex}"
    job = submit(portal, f"#!/bin/sh\necho begun\nuntil [ -e {gate} ]; do sleep 0.2; done\necho over\n")
    output = f"/api/v1/jobs/{job['id']}/outputs/output.txt"
    region.wait(lambda: portal.get(output).text == "begun\n", "the job runs")
    spooler = spooler_of(portal, job)
    refused = portal.delete(f"/api/v1/spoolers/{spooler['id']}")
    assert (refused.status_code, "not over" in refused.json()["detail"]) == (409, True)
    expire(region, spooler)
    # Another one, whose job is over, goes meanwhile: the reaper was there.
    other = spooler_of(portal, ended(region, portal, submit(portal, "#!/bin/sh\n")))
    expire(region, other)
    region.wait(lambda: not there(region, "head-cluster2", other["path"]), "the other one is removed")
    assert portal.get(output).text == "begun\n"
    region.shell("head-cluster1", region.administrator, ["touch", gate], check=True)
    ended(region, portal, job)
    region.wait(lambda: spooler_of(portal, job)["fate"] == "removed", "it is removed after its job's end")


def test_a_removal_that_fails_says_why_and_is_tried_again(region: Region, portal: httpx.Client) -> None:
    job = ended(region, portal, submit(portal, "#!/bin/sh\nmkdir mine\n"))
    spooler = spooler_of(portal, job)
    script = 'mkdir "$1/mine/theirs" && touch "$1/mine/theirs/file"'
    region.shell("head-cluster1", "root", ["sh", "-c", script, "sh", spooler["path"]], check=True)
    expire(region, spooler)
    region.wait(lambda: "could not be removed" in spooler_of(portal, job)["detail"], "the failure is told")
    assert "theirs" in spooler_of(portal, job)["detail"]
    region.shell("head-cluster1", "root", ["rm", "-r", f"{spooler['path']}/mine/theirs"], check=True)
    expire(region, spooler)
    region.wait(lambda: spooler_of(portal, job)["fate"] == "removed", "it is removed in the end")


def test_what_is_kept_stays_and_a_link_in_its_place_leads_nowhere(region: Region, portal: httpx.Client) -> None:
    job = ended(region, portal, submit(portal, "#!/bin/sh\n"))
    spooler, me = spooler_of(portal, job), region.administrator
    secret = f"/efs/home/{me}/precious-{uuid.uuid4().hex}"
    script = 'mkdir "$2" && echo x > "$2/file" && rm -r "$1" && ln -s "$2" "$1"'
    region.shell("head-cluster1", me, ["sh", "-c", script, "sh", spooler["path"], secret], check=True)
    assert portal.post(f"/api/v1/spoolers/{spooler['id']}/keep").json()["fate"] == "kept"
    answer = portal.get(f"/api/v1/spoolers/{spooler['id']}/zip")
    assert (answer.status_code, b"precious" in answer.content) == (403, False)
    assert portal.delete(f"/api/v1/spoolers/{spooler['id']}").status_code == 202
    region.wait(lambda: spooler_of(portal, job)["fate"] == "removed", "the link is removed")
    assert there(region, "head-cluster1", f"{secret}/file")
    assert region.shell("head-cluster1", me, ["test", "-L", spooler["path"]]).returncode == 1
