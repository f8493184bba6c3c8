"""Manifests, policies and commands of the pages "From the secret to the service"."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from cryptography import x509

from evercert.destinations.secret_value import value
from tests.tools import go_programs
from tests.tools.host import bundle
from tests.tools.local_stack import ROOT
from tests.tools.pages import blocks
from tests.tools.ports import free_port
from tests.unit.docs.test_cluster_issuer import problems

MODULE = ROOT / "tests" / "tools" / "external_secrets"
DEPENDENCY = "github.com/external-secrets/external-secrets"
ENTRYPOINT = ROOT / "examples" / "ecs" / "entrypoint.sh"
SERVER = ROOT / "tests" / "tools" / "KeyStoreServer.java"


# -- Kubernetes --------------------------------------------------------------------------------------------------------
def manifests() -> list[dict[str, Any]]:
    (block,) = blocks("how-to/serve-kubernetes.md", "yaml")
    return list(yaml.safe_load_all(block))


def test_external_secret_refers_to_fields_and_neighbours() -> None:
    account, store, secret = manifests()
    auth = store["spec"]["provider"]["aws"]["auth"]["jwt"]["serviceAccountRef"]
    assert auth["name"] == account["metadata"]["name"]
    assert secret["spec"]["secretStoreRef"] == {"kind": store["kind"], "name": store["metadata"]["name"]}
    assert len({each["metadata"]["namespace"] for each in (account, store, secret)}) == 1
    template, stored = secret["spec"]["target"]["template"], value(bundle())
    assert template["type"] == "kubernetes.io/tls"
    rendered = {
        key: stored[re.fullmatch(r"\{\{ \.(\w+) \}\}", text)[1]]  # type: ignore[index]
        for key, text in template["data"].items()
    }
    assert rendered == {"tls.crt": stored["fullchain"], "tls.key": stored["private_key"]}


@pytest.mark.peer("go")
@pytest.mark.parametrize(("number", "kind"), [(1, "secretstores"), (2, "externalsecrets")], ids=["store", "secret"])
def test_external_secret_fits_the_schema_of_the_operator(number: int, kind: str) -> None:
    folder = go_programs.module_folder(MODULE, DEPENDENCY) / "config" / "crds" / "bases"
    definition = yaml.safe_load((folder / f"external-secrets.io_{kind}.yaml").read_text())
    (version,) = (one for one in definition["spec"]["versions"] if one["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    manifest = manifests()[number]
    assert manifest["apiVersion"] == "external-secrets.io/v1"
    assert list(problems(manifest["spec"], schema)) == []
    assert list(problems({**manifest["spec"], "x": 1}, schema)) == [".x: unknown"]


# -- ECS ---------------------------------------------------------------------------------------------------------------
def test_task_definition_fits_the_api() -> None:
    (block,) = blocks("how-to/serve-ecs.md", "json")
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    report = ParamValidator().validate(json.loads(block), model.input_shape)
    assert not report.has_errors(), report.generate_report()


def entrypoint(folder: Path, certificate: str | None) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "CERTIFICATE_DIRECTORY": str(folder / "certificate")}
    if certificate is not None:
        variables["CERTIFICATE"] = certificate
    return subprocess.run(
        [ENTRYPOINT, "/usr/bin/env"], env=variables, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.peer("jq")
def test_entrypoint_writes_files_and_removes_the_variable(tmp_path: Path) -> None:
    stored = value(bundle())
    done = entrypoint(tmp_path, json.dumps(stored))
    assert done.returncode == 0, done.stderr
    for name, field in {"fullchain.pem": "fullchain", "private-key.pem": "private_key"}.items():
        file = tmp_path / "certificate" / name
        assert file.read_text().rstrip("\n") == stored[field].rstrip("\n")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "CERTIFICATE=" not in done.stdout
    assert "PRIVATE KEY" not in done.stdout + done.stderr


@pytest.mark.peer("jq")
@pytest.mark.parametrize("certificate", [None, "", "{}", '{"fullchain": "x"}', "x"])
def test_entrypoint_starts_nothing_without_a_pair(tmp_path: Path, certificate: str | None) -> None:
    done = entrypoint(tmp_path, certificate)
    assert done.returncode != 0
    assert "PATH=" not in done.stdout


# -- Java --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def installed(tmp_path: Path) -> tuple[Path, int]:
    """Install a certificate, and run the commands of the page in its directory."""
    made = bundle()
    stored = value(made)
    folder = tmp_path / "web"
    (folder / "current").mkdir(parents=True)
    (folder / "current" / "fullchain.pem").write_text(stored["fullchain"])
    (folder / "current" / "private-key.pem").write_text(stored["private_key"])
    script = "\n".join(
        [*blocks("how-to/serve-java.md", section="PKCS #12"), *blocks("how-to/serve-java.md", section="JKS")]
    )
    script = script.replace("/etc/evercert/web", str(folder)).replace("/usr/local/sbin", str(tmp_path))
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PrivateKeyEntry" in done.stdout
    return folder, made.chain.leaf.serial_number


@pytest.mark.peer("openssl")
@pytest.mark.peer("keytool")
@pytest.mark.peer("java")
@pytest.mark.peer("javac")
@pytest.mark.parametrize("kind", ["PKCS12", "JKS"])
def test_java_serves_from_the_key_store(installed: tuple[Path, int], kind: str) -> None:
    folder, serial = installed
    store = folder / {"PKCS12": "key-store.p12", "JKS": "key-store.jks"}[kind]
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    port = free_port()
    command = ["java", SERVER, str(port), kind, store, folder / "password"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        connect = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}"]
        done = subprocess.run(connect, input="", capture_output=True, text=True, timeout=20, check=False)
        server.wait(20)
    (pem,) = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.DOTALL)
    assert x509.load_pem_x509_certificate(pem.encode()).serial_number == serial
