"""The container's recipe is clean by hadolint, and copies everything that the package is built from."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint has no build for this platform")
def test_it_is_clean() -> None:
    assert HADOLINT is not None
    found = subprocess.run([HADOLINT, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_what_it_copies_is_there_and_not_ignored() -> None:
    copied = [
        path for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for path in line.split()
    ]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert copied
    assert set(copied) == allowed
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_it_runs_as_nobody_special_and_brings_what_the_package_names() -> None:
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    named = re.findall(
        r'^(?:readme = |license-files = \[)"([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M
    )
    assert len(named) == 2
    assert all(name in DOCKERFILE for name in named)


def test_compose_builds_both_kinds_and_keeps_what_is_learned() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    cpu, cuda = compose["services"]["retrato"], compose["services"]["cuda"]
    assert f"{cuda['build']['args']['TORCH']})" in DOCKERFILE, "a case of the Dockerfile"
    assert cuda["profiles"] == ["cuda"], "who has no such card does not build it"
    for service in (cpu, cuda):
        assert service["network_mode"] == "none"
        mounted = dict(volume.split(":")[:2] for volume in service["volumes"])
        assert mounted["data"] == re.findall(r"RETRATO_HOME=(\S+)", DOCKERFILE)[0]
        assert [volume for volume in service["volumes"] if volume.endswith("photos:ro")], "originals are only read"
    assert "data" in compose["volumes"]


def test_compose_builds_what_it_names_and_pulls_nothing_of_that_name_from_elsewhere() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    built = {service["image"]: service["build"] for service in services.values()}
    assert built == {"retrato": ".", "retrato:cuda": services["cuda"]["build"]}
    assert [service["build"] for service in services.values()] == [built[each["image"]] for each in services.values()]


def test_compose_keeps_things_where_the_documented_commands_do_and_says_who_has_a_network() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    machines = (ROOT / "docs" / "machines.md").read_text("utf-8")
    assert f"-v {compose['volumes']['data']['name']}:/data" in machines
    studio, fetch = compose["services"]["studio"], compose["services"]["fetch"]
    assert studio["ports"] == ["127.0.0.1:7860:7860"], "this machine alone"
    assert studio["command"] in machines
    on_a_card, cuda = compose["services"]["studio-cuda"], compose["services"]["cuda"]
    assert {name: on_a_card[name] for name in ("ports", "command")} == {
        name: studio[name] for name in ("ports", "command")
    }
    assert {name: on_a_card[name] for name in ("build", "image", "deploy", "profiles")} == {
        name: cuda[name] for name in ("build", "image", "deploy", "profiles")
    }
    head = (ROOT / "compose.yaml").read_text("utf-8").partition("\nservices:")[0]
    for name, service in compose["services"].items():
        assert f"`{name}`" in head
        assert (service.get("network_mode") == "none") == (name in ("retrato", "cuda"))
    assert fetch["volumes"] == on_a_card["volumes"] == studio["volumes"] == compose["services"]["retrato"]["volumes"]
