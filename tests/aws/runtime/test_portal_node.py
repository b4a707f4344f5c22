"""A portal node, from its user data to its readiness page, on a machine that stands in for an instance of EC2.

Package manager, AWS and systemd are stood in for; the scripts, the portal, its signer and the database are real.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.aws.runtime.conftest import server_certificate
from tests.aws.runtime.machine import REPOSITORY, Machine, wait_until

from tandem.aws.portal.runtime.authority import public_line
from tandem.local.secrets import new_ssh_key

ENVIRONMENT = """\
name: demo
region: eu-central-1
zones: [{name: eu-central-1a}]
clusters:
  - {name: cluster1, zone: eu-central-1a, queues: [{name: compute, instance_type: c5.xlarge, elastic_nodes: 2}]}
  - {name: cluster2, zone: eu-central-1a, queues: [{name: compute, instance_type: c5.xlarge, elastic_nodes: 2}]}
users:
  - {name: ada, uid: 2001, groups: [physics]}
"""
SETTINGS = {
    "public_url": "https://demo.example.org",
    "balancer_networks": ["10.0.0.0/24"],
    "portal_networks": ["10.0.2.0/24"],
    "database": {"host": "localhost", "port": 3306, "name": "tandem", "user": "tandem"},
    "environment": {"bucket": "assets", "key": "first.yaml"},
    "clusters": ["cluster1", "cluster2"],
    "secrets": {name: f"tandem/demo/{name}" for name in ("authority", "django", "database", "administrator")},
    "log_group": "/tandem/demo/portal",
}
METADATA = """
import http.server
about = {"instance-id": "i-0abc", "placement/availability-zone": "eu-central-1a", "local-ipv4": "10.0.2.7"}
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def do_PUT(self):
        self.answer("a-token")
    def do_GET(self):
        known = about.get(self.path.removeprefix("/latest/meta-data/"))
        if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
            self.send_error(401)
        else:
            self.answer(known)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("169.254.169.254", 80), Handler).serve_forever()
"""
# As the Lambda makes them, with its own statements: the portal has to do with these rights.
ACCOUNT = """
import pymysql
from tandem.aws.aurora.runtime.handler import PRIVILEGES, make_account, make_database
cursor = pymysql.connect(unix_socket="/run/database.sock", user="root", autocommit=True).cursor()
make_database(cursor, "tandem")
make_account(cursor, "tandem", "database-password", "tandem", PRIVILEGES["portal"])
"""
CHECK_PASSWORD = """
import django; django.setup()
from tandem.accounts.models import Person
print(Person.objects.get(username="ec2-user").check_password("%s"))
"""


def start_database(machine: Machine) -> None:
    server_certificate(machine.standin, "localhost")
    install = ["mariadb-install-db", "--no-defaults", "--datadir=/var/lib/mysql", "--user=root", "--skip-test-db"]
    machine.run(*install, "--auth-root-authentication-method=socket", "--skip-name-resolve")
    options = ["--no-defaults", "--datadir=/var/lib/mysql", "--user=root", "--socket=/run/database.sock"]
    options += ["--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"]
    options += ["--ssl-cert=/standin/server.pem", "--ssl-key=/standin/server.key", "--require-secure-transport=ON"]
    machine.begin("mariadbd", *options)
    ping = ["mariadb-admin", "--no-defaults", "--socket=/run/database.sock", "ping"]
    wait_until(lambda: machine.run(*ping, check=False).returncode == 0, "the database")
    machine.run("env", "PYTHONPATH=/opt/src", "/opt/real/bin/python", "-c", ACCOUNT)


def user_data(**changed: str) -> str:
    """As the stack writes it."""
    said = {
        "TANDEM_PARAMETER": "/tandem/demo/portal",
        "TANDEM_REGION": "eu-central-1",
        "TANDEM_STACK": "demo-Portal",
        "TANDEM_RESOURCE": "Group",
        "TANDEM_WHEELHOUSE": "s3://assets/wheels.zip",
    } | changed
    exports = "".join(f"export {name}={value}\n" for name, value in said.items())
    return "#!/bin/bash\n" + exports + (REPOSITORY / "src/tandem/aws/portal/runtime/boot.sh").read_text()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the user data has run."""
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    machine = Machine(tmp_path_factory.mktemp("portal"))
    authority = new_ssh_key().decode()
    machine.secret("tandem/demo/authority", authority)
    machine.secret("tandem/demo/django", "a-key-of-django-0123456789-0123456789-0123456789")
    machine.secret("tandem/demo/database", "database-password")
    machine.secret("tandem/demo/administrator", '{"password": "the-First-Passw0rd"}')
    machine.parameter("/tandem/demo/portal", json.dumps(SETTINGS))
    machine.parameter("/tandem/demo/people/0", "-")
    machine.parameter("/tandem/demo/clusters/cluster1/address", "10.0.4.5")
    machine.parameter("/tandem/demo/clusters/cluster1/host-key", public_line(new_ssh_key().decode()))
    # The other one's head node has not come up yet.
    machine.parameter("/tandem/demo/clusters/cluster2/address", "-")
    machine.parameter("/tandem/demo/clusters/cluster2/host-key", "-")
    machine.archive("assets", "wheels.zip", {"runtime.txt": b"", "tandem_hpc-0.1.0-py3-none-any.whl": b""})
    (machine.standin / "objects/assets/first.yaml").write_text(ENVIRONMENT)
    try:
        machine.start()
        start_database(machine)
        machine.begin("python3", "-c", METADATA)
        authorities = "/opt/src/tandem/aws/aurora/runtime/rds-authorities.pem"
        machine.run("mount", "--bind", "/standin/authority.pem", authorities)
        machine.run("bash", "-s", given=user_data())
        yield machine
    finally:
        machine.stop()


def get(node: Machine, port: int, path: str, *options: str) -> str:
    done = node.run("curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *options,
                    f"http://127.0.0.1:{port}{path}", check=False)  # fmt: skip
    return done.stdout


def as_user(user: str, *command: str) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command]


def test_it_answers_its_readiness_page_and_only_then_says_so(node: Machine) -> None:
    assert node.said("signals") == [
        "--exit-code 0 --reason ready --stack demo-Portal --resource Group --region eu-central-1"
    ]
    # As the load balancer asks: by the address of the instance.
    assert get(node, 8000, "/healthz", "-H", "Host: 10.0.2.7:8000") == "200"
    assert get(node, 8001, "/streams/healthz", "-H", "Host: 10.0.2.7:8001") == "200"


def test_a_node_that_cannot_be_set_up_says_so(node: Machine) -> None:
    before = len(node.said("signals"))
    failed = node.run("bash", "-s", given=user_data(TANDEM_WHEELHOUSE="s3://assets/missing.zip"), check=False)
    assert failed.returncode != 0
    (signal,) = node.said("signals")[before:]
    assert signal.startswith("--exit-code 1 --reason fetching the wheelhouse")
    (node.standin / "signals").write_text("\n".join(node.said("signals")[:before]) + "\n")


def test_no_registry_is_asked_for_packages(node: Machine) -> None:
    installed = [line for line in node.said("packages") if "pip" in line and "install" in line and "dnf" not in line]
    assert len(installed) >= 2
    assert all("--no-index" in line for line in installed)
    assert "--require-hashes" in installed[0]


def test_each_service_runs_as_its_own_user(node: Machine) -> None:
    running = node.run("ps", "-eo", "user:20,args").stdout
    for user, program in (
        ("tandem-signer", "tandem.clusters.signer"),
        ("tandem-web", "gunicorn"),
        ("tandem-web", "uvicorn"),
        ("tandem-worker", "tandem.operations.worker"),
    ):
        assert any(line.startswith(f"{user} ") and program in line for line in running.splitlines()), running


def test_the_metadata_is_for_root_alone(node: Machine) -> None:
    ask = ["curl", "-s", "-m", "5", "-X", "PUT", "http://169.254.169.254/latest/api/token"]
    assert node.run(*ask).stdout == "a-token"
    for user in ("tandem-web", "tandem-worker", "tandem-signer", "nobody"):
        assert node.run(*as_user(user, *ask), check=False).returncode != 0, user


def test_only_the_signer_has_the_authoritys_key_and_nobody_a_secret_of_anothers(node: Machine) -> None:
    def reads(user: str, file: str) -> bool:
        return node.run(*as_user(user, "cat", f"/run/tandem-secrets/{file}"), check=False).returncode == 0

    assert reads("tandem-signer", "signer/authority")
    assert reads("tandem-web", "web/database")
    for user in ("tandem-web", "tandem-worker", "nobody"):
        assert not reads(user, "signer/authority")
    assert not reads("tandem-signer", "web/database")
    assert node.run("find", "/run/tandem-secrets", "-name", "authority*").stdout.split() == [
        "/run/tandem-secrets/signer/authority"
    ]
    assert "administrator" not in node.run("find", "/run/tandem-secrets").stdout
    # A disk that is left behind holds none.
    found = node.run("grep", "-rlE", "database-password|the-First-Passw0rd|BEGIN OPENSSH", "/etc/tandem", check=False)
    assert found.stdout == ""


def test_no_secret_is_in_a_log_or_on_a_command_line(node: Machine) -> None:
    pattern = "database-password|First-Passw0rd|BEGIN OPENSSH|a-key-of-django"
    assert node.run("grep", "-rlE", pattern, "/var/log/tandem", "/standin/log", check=False).stdout == ""
    assert not any("Passw0rd" in line or "database-password" in line for line in node.said("calls"))


def test_it_knows_the_clusters_that_have_said_who_they_are(node: Machine) -> None:
    document = json.loads(node.run("cat", "/etc/tandem/node.json").stdout)
    assert list(document["clusters"]) == ["cluster1"]
    assert document["clusters"]["cluster1"]["host"] == "10.0.4.5"
    assert document["portal_addresses"] == ["10.0.2.7", "10.0.2.0/24"]
    assert (document["node"], document["zone"]) == ("i-0abc", "eu-central-1a")


def password_is(node: Machine, password: str) -> bool:
    names = {"DJANGO_SETTINGS_MODULE": "tandem.site.settings", "TANDEM_NODE": "/etc/tandem/node.json"}
    names |= {"TANDEM_SECRETS": "/run/tandem-secrets/web"}
    command = ["env", *(f"{name}={value}" for name, value in names.items()), "/opt/tandem/venv/bin/python", "-c"]
    return node.run(*as_user("tandem-web", *command, CHECK_PASSWORD % password)).stdout.split()[-1] == "True"


def configure(node: Machine, *, check: bool = True) -> str:
    return node.run(
        *["/opt/tandem/venv/bin/python", "-m", "tandem.aws.portal.runtime.configure", "/tandem/demo/portal"],
        check=check,
    ).stderr


def test_a_new_version_of_the_administrators_secret_is_taken_up_by_the_timer(node: Machine) -> None:
    assert password_is(node, "the-First-Passw0rd")
    node.secret("tandem/demo/administrator", "the-Second-Passw0rd\n")
    timer = (REPOSITORY / "src/tandem/aws/portal/runtime/units/tandem-configure.timer").read_text()
    assert "OnUnitInactiveSec=60\n" in timer
    configure(node)
    assert password_is(node, "the-Second-Passw0rd")
    # What cannot be used changes nothing, and is said.
    node.secret("tandem/demo/administrator", '{"username": "admin", "password": "the-Third-Passw0rd"}')
    assert "more than one value" in configure(node, check=False)
    assert password_is(node, "the-Second-Passw0rd")
    node.secret("tandem/demo/administrator", "the-Second-Passw0rd")
    configure(node)


def test_a_head_node_that_was_replaced_is_taken_up_without_a_pause(node: Machine) -> None:
    key = public_line(new_ssh_key().decode())
    node.parameter("/tandem/demo/clusters/cluster2/address", "10.0.4.6")
    node.parameter("/tandem/demo/clusters/cluster2/host-key", key)
    configure(node)
    document = json.loads(node.run("cat", "/etc/tandem/node.json").stdout)
    assert document["clusters"]["cluster2"]["host_keys"] == [key]
    assert "--no-block try-reload-or-restart tandem-web.service" in node.said("systemctl")
    wait_until(lambda: get(node, 8000, "/healthz") == "200", "the node is ready again")
    wait_until(lambda: get(node, 8001, "/streams/healthz") == "200", "its streams, too")
    # Nothing new, nothing to do.
    said = len(node.said("systemctl"))
    configure(node)
    assert len(node.said("systemctl")) == said


def test_the_clusters_get_the_list_that_its_worker_publishes(node: Machine, tmp_path: Path) -> None:
    wait_until(lambda: node.run("test", "-s", "/var/lib/tandem/people/people.json", check=False).returncode == 0,
               "the worker publishes who may enter")  # fmt: skip
    publish = ["/opt/tandem/venv/bin/python", "-m", "tandem.aws.portal.runtime.publish", "/tandem/demo/portal"]
    assert "published" in node.run(*publish).stdout
    assert node.parameter("/tandem/demo/people/0") != "-"
    assert "published" not in node.run(*publish).stdout
    # An older list does not go over a later one of another node's.
    node.parameter("/tandem/demo/people/0", "0123456789ab 1 AAAA")
    assert "published" not in node.run(*publish).stdout
