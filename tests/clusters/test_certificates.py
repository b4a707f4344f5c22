"""What is in a certificate, as OpenSSH's own tool reads it."""

import subprocess
from pathlib import Path

import asyncssh
import pytest

from tandem.clusters.certificates import WATCH_COMMAND, WATCH_USER, make_certificate


def shown(tmp_path: Path, user: str, terminal: bool = False) -> str:
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    certificate = make_certificate(
        authority,
        key,
        user=user,
        environment="testing",
        connection="node-1:42:cluster1:7",
        addresses=["10.77.0.11", "10.77.0.21"],
        terminal=terminal,
    )
    file = tmp_path / "certificate"
    file.write_bytes(certificate.export_certificate())
    return subprocess.run(["ssh-keygen", "-L", "-f", file], check=True, capture_output=True, text=True).stdout


def after(text: str, heading: str) -> list[str]:
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip().startswith(heading):
            indent = len(line) - len(line.lstrip())
            found = [line.split(":", 1)[1].strip()]
            for more in lines:
                if len(more) - len(more.lstrip()) <= indent:
                    break
                found.append(more.strip())
            return [entry for entry in found if entry]
    raise AssertionError(f"no {heading} in {text}")


def test_it_names_one_principal_the_connection_and_the_portals_addresses(tmp_path: Path) -> None:
    text = shown(tmp_path, "alice")
    assert after(text, "Principals") == ["alice@testing"]
    assert after(text, "Key ID") == ['"alice node-1:42:cluster1:7"']
    assert after(text, "Critical Options") == ["source-address 10.77.0.11/32,10.77.0.21/32"]


def test_it_permits_nothing_and_a_pty_only_for_a_terminal(tmp_path: Path) -> None:
    assert after(shown(tmp_path, "alice"), "Extensions") == ["(none)"]
    assert after(shown(tmp_path, "alice", terminal=True), "Extensions") == ["permit-pty"]


def test_the_watchers_is_bound_to_its_script_and_never_has_a_terminal(tmp_path: Path) -> None:
    text = shown(tmp_path, WATCH_USER, terminal=True)
    assert f"force-command {WATCH_COMMAND}" in after(text, "Critical Options")
    assert after(text, "Extensions") == ["(none)"]


def test_it_is_good_for_five_minutes_and_a_little_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.9)
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    made = make_certificate(authority, key, user="a", environment="e", connection="c", addresses=["127.0.0.1"])
    assert (made._valid_after, made._valid_before) == (1_800_000_000 - 30, 1_800_000_000 + 300)


def test_it_is_never_good_from_everywhere() -> None:
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    with pytest.raises(ValueError, match="addresses"):
        make_certificate(authority, key, user="a", environment="e", connection="c", addresses=[])


def test_sshd_forces_the_watchers_command_as_the_certificate_does() -> None:
    payload = Path(__file__).parents[2] / "src/tandem/payload/sshd_config"
    assert f"ForceCommand {WATCH_COMMAND}" in payload.read_text()
