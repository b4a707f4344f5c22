"""Events as CloudFormation sends them, somebody who takes the answers, and a database server with TLS."""

import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto import mock_aws

from tandem.drills.environment import free_port

STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/demo-ALB/1f4a"


class Context:
    """What Lambda tells a function of itself."""

    def __init__(self, seconds: float = 300) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@dataclass
class CloudFormation:
    """Sends events to a handler and takes what is put at the address for answers."""

    url: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    refuse: int = 0
    answered: threading.Event = field(default_factory=threading.Event)

    def event(self, request: str, properties: dict[str, Any], physical_id: str = "", **more: Any) -> dict[str, Any]:
        """One event; the same one sent again is a repeated delivery."""
        raw: dict[str, Any] = {
            "RequestType": request,
            "ResponseURL": self.url,
            "StackId": STACK,
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": "Thing",
            "ResourceType": "Custom::Thing",
            "ResourceProperties": {"ServiceToken": "arn:aws:lambda:…", **properties},
        }
        return raw | ({"PhysicalResourceId": physical_id} if physical_id else {}) | more

    def send(self, handler: Callable[[dict[str, Any], Any], None], event: dict[str, Any]) -> dict[str, Any]:
        """Have it handled. Returns the answer, of which there must be just one."""
        before = len(self.answers)
        handler(event, Context())
        assert len(self.answers) == before + 1, "one event, one answer"
        answer = self.answers[-1]
        assert (answer["RequestId"], answer["StackId"]) == (event["RequestId"], event["StackId"])
        assert answer["PhysicalResourceId"]
        return answer


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    told = CloudFormation("")

    class Taker(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if told.refuse:
                told.refuse -= 1
                self.send_error(503)
                return
            assert self.headers["Content-Type"] == "", "S3 would refuse the signature"
            told.answers.append(json.loads(body))
            self.send_response(200)
            self.end_headers()
            told.answered.set()

        def log_message(self, *args: object) -> None:
            """Nothing to say."""

    server = HTTPServer(("127.0.0.1", 0), Taker)
    told.url = f"http://127.0.0.1:{server.server_port}/answer"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS's own services, stood in for in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield


def server_certificate(directory: Path, *names: str) -> None:
    """An authority, and a server's certificate by it, as files `authority.pem`, `server.pem`, `server.key`."""
    begin = datetime.now(UTC) - timedelta(minutes=5)

    def sign(subject: str, key: Any, issuer: str, by: Any, *extensions: tuple[Any, bool]) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=begin,
            not_valid_after=begin + timedelta(days=1),
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    may_sign = (x509.BasicConstraints(ca=True, path_length=0), True)
    (directory / "authority.pem").write_bytes(sign("root", root, "root", root, may_sign))
    known = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    by_name = (x509.SubjectAlternativeName(known), False)
    (directory / "server.pem").write_bytes(sign(names[0], key, "root", root, by_name))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.key").write_bytes(private)


@dataclass
class DatabaseServer:
    """A real MariaDB, which takes TLS."""

    directory: Path
    port: int

    @property
    def authorities(self) -> Path:
        return self.directory / "authority.pem"

    def connect(self, user: str, password: str, *, tls: bool = True, **more: Any) -> Any:
        ssl = {"ssl": {"ca": str(self.authorities)}} if tls else {"ssl_disabled": True}
        host = "localhost" if tls else "127.0.0.1"
        return pymysql.connect(host=host, port=self.port, user=user, password=password, **ssl, **more)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Asked by root, who comes through the socket."""
        with (
            closing(pymysql.connect(unix_socket=str(self.directory / "socket"), user="root")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    if os.geteuid() != 0:
        pytest.skip("a database server of its own is started as root")
    server = DatabaseServer(tmp_path_factory.mktemp("database"), free_port())
    server_certificate(server.directory, "localhost")
    data = server.directory / "data"
    aside = f"--tmpdir={server.directory}"  # what lies in /tmp is other servers'
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", aside, "--user=root", "--skip-test-db"]
    install += ["--auth-root-authentication-method=socket", "--skip-name-resolve"]
    subprocess.run(install, check=True, capture_output=True)
    options = ["--no-defaults", f"--datadir={data}", aside, "--user=root", f"--socket={server.directory}/socket"]
    options += ["--bind-address=127.0.0.1", f"--port={server.port}", "--skip-name-resolve", "--skip-log-bin"]
    options += [f"--ssl-cert={server.directory}/server.pem", f"--ssl-key={server.directory}/server.key"]
    options += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--performance-schema=OFF"]
    with (server.directory / "log").open("wb") as log:
        process = subprocess.Popen(["mariadbd", *options], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 300
        while not _is_up(server):
            assert process.poll() is None, (server.directory / "log").read_text()
            assert time.monotonic() < until, (server.directory / "log").read_text()
            time.sleep(0.05)
        server.rows("CREATE USER master@'%' IDENTIFIED BY 'masters-password'")
        server.rows("GRANT ALL PRIVILEGES ON *.* TO master@'%' WITH GRANT OPTION")
        yield server
    finally:
        process.kill()
        process.wait()


def _is_up(server: DatabaseServer) -> bool:
    ping = ["mariadb-admin", "--no-defaults", f"--socket={server.directory}/socket", "ping"]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0
