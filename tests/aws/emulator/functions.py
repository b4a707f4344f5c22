"""Lambda functions run as processes of this machine, and what they answer for a custom resource is waited for."""

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.aws.emulator import addresses
from tests.aws.emulator.kinds import Kind, Properties

STAND_INS = Path(__file__).with_name("stand_ins")
RUN = """
import importlib, json, sys
module, function = sys.argv[1].rsplit(".", 1)
class Invocation:
    function_name = sys.argv[2]
    log_group_name = "/aws/lambda/" + sys.argv[2]
    log_stream_name = "emulator"
    aws_request_id = "emulator"
    invoked_function_arn = sys.argv[2]
    def get_remaining_time_in_millis(self): return 60_000
answer = getattr(importlib.import_module(module), function)(json.load(sys.stdin), Invocation())
print("\\n" + json.dumps(answer, default=str))
"""


class FunctionFailed(Exception):
    """A function ended with an exception."""


def zipped(text: str) -> bytes:
    """The ZIP that Lambda makes of code that stands in a template."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", text)
    return file.getvalue()


@functools.cache
def unpacked(code: bytes) -> Path:
    """Where the code of a function lies, unpacked once."""
    directory = Path(tempfile.mkdtemp(prefix="function-", dir=os.environ.get("EMULATOR_FILES")))
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        archive.extractall(directory)
    # Libraries are there for Lambda's Python and processor. Of those, ours are taken.
    for ours in Path(sysconfig.get_path("purelib")).iterdir():
        shutil.rmtree(directory / ours.name, ignore_errors=True)
    return directory


def run(function: Any, body: str, region: str) -> str:
    """What the function answers. Raises FunctionFailed."""
    if not function.run_time.startswith("python"):
        raise FunctionFailed(f"the emulator runs no {function.run_time}: {function.function_name}")
    directory = unpacked(function.code_bytes)
    given = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "EMULATOR_PARALLELCLUSTER") if key in os.environ},
        **(function.environment_vars or {}),
        "AWS_ENDPOINT_URL": addresses.endpoint(),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "PYTHONPATH": f"{STAND_INS}:{directory}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", RUN, function.handler.replace("/", "."), function.function_name]
    done = subprocess.run(
        command, input=body, capture_output=True, text=True, env=given, cwd=directory, timeout=120, check=False
    )
    if done.returncode:
        raise FunctionFailed(f"{function.function_name}: {done.stderr.strip()[-1500:]}")
    return done.stdout.rstrip().rpartition("\n")[2]


class Answers:
    """Where functions answer for custom resources, as they do at a signed address of S3."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        answers = self.found

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answers[self.path.partition("?")[0]] = json.loads(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, request: str) -> str:
        """Where to answer this request."""
        return f"http://127.0.0.1:{self.server.server_port}/{request}?signature=none"


@functools.cache
def answers() -> Answers:
    """The one place for answers."""
    return Answers()


def as_text(value: Any) -> Any:
    """CloudFormation hands over every value of a custom resource as text."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


class CustomResource(Kind):
    """What a function makes. Every event is answered, or it fails."""

    type = "Custom::"

    def create(self, properties: Properties) -> None:
        self._ask("Create", properties)

    def update(self, properties: Properties, before: Properties) -> None:
        old = self.id
        self._ask("Update", properties, PhysicalResourceId=old, OldResourceProperties=as_text(before))
        if self.id != old:
            new, self.id = self.id, old
            self._ask("Delete", before, PhysicalResourceId=old)
            self.id = new

    def delete(self) -> None:
        self._ask("Delete", self.properties, PhysicalResourceId=self.id)

    def _ask(self, what: str, properties: Properties, **more: Any) -> None:
        from moto.awslambda.utils import get_backend

        request = str(uuid.uuid4())
        event = {
            "RequestType": what,
            "ServiceToken": properties["ServiceToken"],
            "ResponseURL": answers().address(request),
            "StackId": self.context.stack_id,
            "RequestId": request,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "ResourceProperties": as_text(properties),
            **more,
        }
        function = get_backend(self.context.account, self.context.region).get_function(properties["ServiceToken"])
        run(function, json.dumps(event), self.context.region)
        answer = answers().found.pop(f"/{request}", None)
        if answer is None:
            raise FunctionFailed(f"{self.logical_id}: {function.function_name} did not answer {what}")
        for key in ("StackId", "RequestId", "LogicalResourceId"):
            if answer.get(key) != event[key]:
                raise FunctionFailed(f"{self.logical_id}: the answer's {key} is not the request's")
        if answer["Status"] != "SUCCESS":
            raise FunctionFailed(f"Received response status [FAILED] from custom resource: {answer.get('Reason')}")
        if not answer.get("PhysicalResourceId"):
            raise FunctionFailed(f"{self.logical_id}: the answer has no PhysicalResourceId")
        if what != "Delete":
            self.id = answer["PhysicalResourceId"]
            self.attributes = dict(answer.get("Data") or {})


class PlainCustomResource(CustomResource):
    """The same, under the type that templates may use as well."""

    type = "AWS::CloudFormation::CustomResource"


def install() -> None:
    """Let moto run functions this way when they are invoked by name, too."""
    from moto.awslambda.models import LambdaFunction

    def invoke(self: Any, body: str, *_: Any) -> str:
        return run(self, body, self.region)

    LambdaFunction.invoke = invoke
