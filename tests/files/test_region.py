"""Files on real clusters: permissions are the kernel's, a scratch is its own cluster's, what breaks leaves nothing."""

import os
from collections.abc import Iterator

import httpx
import pytest
from tests.region import Region

pytestmark = pytest.mark.region


@pytest.fixture(scope="module")
def portal(region: Region) -> Iterator[httpx.Client]:
    """The API, for the administrator."""
    with region.client(region.token()) as client:
        yield client


def put(portal: httpx.Client, path: str, content: bytes) -> httpx.Response:
    return portal.put(f"/api/v1/files/content?path={path}", content=content)


def test_a_file_goes_in_and_comes_out_through_the_load_balancer(region: Region, portal: httpx.Client) -> None:
    content = os.urandom(30 * 2**20)
    answer = put(portal, "~/large%20file", content)
    assert answer.status_code == 201, answer.text
    fetched = portal.get("/api/v1/files/content?path=~/large%20file")
    assert fetched.content == content
    assert fetched.headers["Content-Disposition"] == 'attachment; filename="large file"'
    seen = region.shell("head-cluster2", region.administrator, ["stat", "-c", "%U %s", "large file"]).stdout
    assert seen.split() == [region.administrator, str(len(content))]
    again = put(portal, "~/large%20file", content)
    assert again.status_code == 409
    assert again.json()["path"] == "~/large file"
    assert portal.delete("/api/v1/files?path=~/large%20file").status_code == 200


def test_what_is_somebody_elses_stays_theirs(region: Region, portal: httpx.Client) -> None:
    region.shell("head-cluster1", "alice", ["sh", "-c", "umask 077; mkdir -p private; echo x > private/a"], check=True)
    for method, address in (
        ("GET", "/api/v1/files?path=/efs/home/alice/private"),
        ("GET", "/api/v1/files/content?path=/efs/home/alice/private/a"),
        ("PUT", "/api/v1/files/content?path=/efs/home/alice/mine"),
        ("DELETE", "/api/v1/files?path=/efs/home/alice/private&recursive=true"),
    ):
        answer = portal.request(method, address)
        assert answer.status_code in (403, 404), (method, address, answer.text)
        assert "/efs/home/alice" in answer.json()["detail"]


def test_a_scratch_is_reached_through_its_own_cluster(region: Region, portal: httpx.Client) -> None:
    for name in ("cluster1", "cluster2"):
        assert portal.get(f"/api/v1/files?path=/fsx_{name}").json()["cluster"] == name
    places = {place["path"]: place["available"] for place in portal.get("/api/v1/files/places").json()}
    assert places == {"~": True, "/efs": True, "/fsx_cluster1": True, "/fsx_cluster2": True}


def test_a_crowded_folder_comes_page_by_page(region: Region, portal: httpx.Client) -> None:
    script = 'mkdir -p crowd && cd crowd && seq -f "file%05g" 3000 | xargs touch'
    region.shell("head-cluster1", region.administrator, ["sh", "-c", script], check=True)
    names, address = [], "/api/v1/files?path=~/crowd&page_size=1000"
    while address:
        page = portal.get(address).json()
        names += [entry["name"] for entry in page["results"]]
        address = page["next"]
    assert names == [f"file{number:05}" for number in range(1, 3001)]
    assert portal.delete("/api/v1/files?path=~/crowd&recursive=true").json()["entries"] == 3000
