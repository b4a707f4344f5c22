"""A portal node, from its user data to its readiness page, on a machine that stands in for an instance of EC2.

Package manager, AWS and systemd are stood in for; the scripts, the portal, its signer and the database are real.
"""

import json
import os
from collections.abc import Iterator

import pytest
from tests.aws.runtime.conftest import server_certificate
from tests.aws.runtime.machine import REPOSITORY, Machine, wait_until
from tests.aws.runtime.told import NAMES, SETTINGS, VARIABLES

from tandem.aws.names import NOT_YET
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
PASSWORDS = ["the-First-Passw0rd", "the-Second-Passw0rd"]
LOOK = """
import json, sys
import django; django.setup()
from tandem.accounts.models import Person
people = Person.objects.order_by("username")
right = [password for password in sys.argv[1:] if people.get(username="ec2-user").check_password(password)]
print(json.dumps([*people.values_list("username", flat=True), *right]))
"""
UNITS = REPOSITORY / "src/tandem/aws/portal/runtime/units"


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
    exports = "".join(f"export {name}='{value}'\n" for name, value in (VARIABLES | changed).items())
    return "#!/bin/bash\n" + exports + (REPOSITORY / "src/tandem/aws/portal/runtime/boot.sh").read_text()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the user data has run."""
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    machine = Machine(tmp_path_factory.mktemp("portal"))
    authority = new_ssh_key().decode()
    machine.secret(NAMES.authority, authority)
    machine.secret(NAMES.django, "a-key-of-django-0123456789-0123456789-0123456789")
    machine.secret(NAMES.database_portal, "database-password")
    machine.secret(NAMES.administrator, json.dumps({"password": PASSWORDS[0]}))
    machine.parameter(NAMES.portal, json.dumps(SETTINGS))
    for part in NAMES.people_parts:
        machine.parameter(part, NOT_YET)
    machine.parameter(NAMES.address("cluster1"), "10.0.4.5")
    machine.parameter(NAMES.host_key("cluster1"), public_line(new_ssh_key().decode()))
    # The other one's head node has not come up yet.
    machine.parameter(NAMES.address("cluster2"), NOT_YET)
    machine.parameter(NAMES.host_key("cluster2"), NOT_YET)
    machine.archive("assets", "wheels.zip", {"runtime.txt": b"", "tandem_hpc-0.1.0-py3-none-any.whl": b""})
    (machine.standin / "objects/assets/first.yaml").write_text(ENVIRONMENT)
    try:
        machine.start()
        machine.make_cloud_user()
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


def test_nobody_enters_and_nobody_becomes_root(node: Machine) -> None:
    for account in ("ec2-user", "tandem-web", "tandem-worker", "tandem-signer"):
        assert not node.becomes_root(account), account
    assert "mask --now sshd.service sshd.socket" in node.said("systemctl")


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


def test_logs_are_shipped_to_the_group_that_goes_with_the_environment(node: Machine) -> None:
    assert node.said("agent") == ["-a fetch-config -m ec2 -s -c file:/etc/tandem/logs.json"]
    document = json.loads(node.run("cat", "/etc/tandem/logs.json").stdout)
    collected = document["logs"]["logs_collected"]["files"]["collect_list"]
    assert {one["log_group_name"] for one in collected} == {NAMES.logs("portal")}
    shipped = {one["file_path"] for one in collected}
    written = {f"/var/log/tandem/{name}" for name in node.run("ls", "/var/log/tandem").stdout.split()}
    assert written <= shipped
    assert len(written) >= 4
    assert "/var/log/cloud-init-output.log" in shipped


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


def look(node: Machine) -> list[str]:
    """Who is known, and by which of the two passwords the administrator may sign in."""
    names = {"DJANGO_SETTINGS_MODULE": "tandem.site.settings", "TANDEM_NODE": "/etc/tandem/node.json"}
    names |= {"TANDEM_SECRETS": "/run/tandem-secrets/web"}
    command = ["env", *(f"{name}={value}" for name, value in names.items()), "/opt/tandem/venv/bin/python", "-c", LOOK]
    found: list[str] = json.loads(node.run(*as_user("tandem-web", *command, *PASSWORDS)).stdout.splitlines()[-1])
    return found


def configure(node: Machine, *, check: bool = True) -> str:
    """What the timer does; returns what it complains of."""
    unit = (UNITS / "tandem-configure.service").read_text()
    assert "-m tandem.aws.portal.runtime.configure ${TANDEM_PARAMETER}\n" in unit
    command = ["/opt/tandem/venv/bin/python", "-m", "tandem.aws.portal.runtime.configure", NAMES.portal]
    return node.run(*command, check=check).stderr


def test_what_is_new_is_taken_up_once_and_one_thing_that_is_wrong_holds_up_nothing_else(node: Machine) -> None:
    assert look(node) == ["ada", "ec2-user", PASSWORDS[0]]
    # A head node that was replaced, another environment file, and a secret that cannot be used.
    key = public_line(new_ssh_key().decode())
    node.parameter(NAMES.address("cluster2"), "10.0.4.6")
    node.parameter(NAMES.host_key("cluster2"), key)
    (node.standin / "objects/assets/second.yaml").write_text(ENVIRONMENT + "  - {name: bob, uid: 2002, groups: []}\n")
    other = SETTINGS | {"environment": {"bucket": "assets", "key": "second.yaml"}}
    node.parameter(NAMES.portal, json.dumps(other))
    node.secret(NAMES.administrator, '{"username": "admin", "password": "the-Third-Passw0rd"}')
    assert "more than one value" in configure(node, check=False)
    document = json.loads(node.run("cat", "/etc/tandem/node.json").stdout)
    assert document["clusters"]["cluster2"]["host_keys"] == [key]
    assert "bob" in node.run("cat", "/etc/tandem/environment.yaml").stdout
    # Without a pause: the web server lets its requests end.
    said = node.said("systemctl")
    assert "--no-block try-reload-or-restart tandem-web.service" in said
    wait_until(lambda: get(node, 8000, "/healthz") == "200", "the node is ready again")
    wait_until(lambda: get(node, 8001, "/streams/healthz") == "200", "its streams, too")
    assert "more than one value" in configure(node, check=False)
    assert node.said("systemctl") == said, "nothing new, nothing to do"


def test_a_new_version_of_the_administrators_secret_is_taken_up_by_the_timer(node: Machine) -> None:
    node.secret(NAMES.administrator, f"{PASSWORDS[1]}\n")
    assert "OnUnitInactiveSec=120\n" in (UNITS / "tandem-configure.timer").read_text()
    configure(node)
    assert look(node) == ["ada", "bob", "ec2-user", PASSWORDS[1]]


def test_systemd_understands_what_it_is_told(node: Machine) -> None:
    verified = node.run("sh", "-c", "systemd-analyze verify /etc/systemd/system/tandem-*", check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_clusters_get_the_list_that_its_worker_publishes(node: Machine) -> None:
    wait_until(lambda: node.run("test", "-s", "/var/lib/tandem/people/people.json", check=False).returncode == 0,
               "the worker publishes who may enter")  # fmt: skip
    publish = ["/opt/tandem/venv/bin/python", "-m", "tandem.aws.portal.runtime.publish", NAMES.portal]
    assert "published" in node.run(*publish).stdout
    assert node.parameter(f"{NAMES.people}/0") != NOT_YET
    assert "published" not in node.run(*publish).stdout
