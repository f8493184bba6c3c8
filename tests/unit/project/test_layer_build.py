"""Build of the layers: target, interpreter, and removal of unused files."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from evercert import layer_target
from tests.iam import called_in_code

BUILD = Path(__file__).resolve().parents[3] / "layers" / "build.py"
PACKAGE, FUNCTIONS = BUILD.parent / "evercert" / "evercert", BUILD.parents[1] / "functions"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def build():
    sys.path.insert(0, str(BUILD.parent))  # as for a program: it imports its neighbor
    found = importlib.util.spec_from_file_location("layers_build", BUILD)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    sys.path.remove(str(BUILD.parent))
    return module


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Set an empty PATH; return a function that adds a program to it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name, text):
        program = tmp_path / name
        program.write_text(text)
        program.chmod(0o755)
        return str(program)

    return put


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("python3.13-arm64", ("3.13", "arm64")),
        ("python3.12-x86_64", ("3.12", "x86_64")),
        ("host", (HERE, None)),
    ],
)
def test_target_parses_python_and_architecture(build, text, wanted):
    assert tuple(build.target(text)) == wanted


@pytest.mark.parametrize(
    "text", ["", "python3.13", "3.13-arm64", "python2.7-arm64", "python3.13-riscv", "python3.13-arm64\n"]
)
def test_target_refuses_invalid_text_in_one_line(build, text):
    with pytest.raises(SystemExit) as caught:
        build.target(text)
    assert caught.value.code == f"EVERCERT_TARGET={text}: write host, or for example python3.13-arm64"


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_target_refuses_runtimes_with_an_old_c_library(build, version):
    with pytest.raises(SystemExit) as caught:
        build.target(f"python{version}-arm64")
    assert "needs python3.12 or newer" in caught.value.code


@pytest.mark.parametrize("text", ["python3.13-arm64", "python3.12-x86_64", "host"])
def test_layer_holds_the_target_that_it_was_built_for(build, tmp_path, text):
    (tmp_path / "evercert").mkdir()
    build.write_target(tmp_path, build.target(text))
    wanted = layer_target.running_target() if text == "host" else text
    assert layer_target.built_target(str(tmp_path / "evercert")) == wanted


def test_default_target_is_valid(build):
    assert build.target(build.DEFAULT).architecture in build.WHEELS


def test_find_interpreter_prefers_the_running_one(build, on_path):
    assert build.find_interpreter(HERE) == sys.executable


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("#!/bin/sh\nexit 127\n", id="fails"),
        pytest.param("#!/bin/sh\necho 3.98\n", id="is another version"),
        pytest.param("#!/bin/sh\necho 3.99\nexit 1\n", id="prints and fails"),
        pytest.param("#!/no/such/interpreter\n", id="cannot be started"),
    ],
)
def test_find_interpreter_ignores_placeholders(build, on_path, text):
    on_path("python3.99", text)
    assert build.find_interpreter("3.99") is None


def test_find_interpreter_returns_none_if_missing(build, on_path):
    assert build.find_interpreter("3.99") is None


def test_find_interpreter_searches_the_path(build, on_path):
    wanted = on_path("python3.99", "#!/bin/sh\necho 3.99\n")
    assert build.find_interpreter("3.99") == wanted


def test_find_interpreter_asks_uv_after_a_placeholder(build, on_path):
    on_path("python3.99", "#!/bin/sh\nexit 127\n")
    managed = on_path("managed", "#!/bin/sh\necho 3.99\n")
    on_path("uv", f'#!/bin/sh\n[ "$*" = "python find 3.99" ] && echo {managed}\n')
    assert build.find_interpreter("3.99") == managed


def test_find_interpreter_accepts_a_failing_uv(build, on_path):
    on_path("uv", "#!/bin/sh\necho no interpreter >&2\nexit 2\n")
    assert build.find_interpreter("3.99") is None


def test_compile_bytecode_warns_without_an_interpreter(build, on_path, tmp_path, capsys):
    (tmp_path / "module.py").write_text("x = 1\n")
    build.compile_bytecode(tmp_path, build.Target("3.99", "arm64"))
    assert "no Python 3.99 here" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.pyc")) == []


def test_compile_bytecode_writes_unchecked_hashes(build, tmp_path):
    (tmp_path / "module.py").write_text("x = 1\n")
    build.compile_bytecode(tmp_path, build.Target(HERE, None))
    (compiled,) = tmp_path.rglob("*.pyc")
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01  # PEP 552: hash-based, not checked


@pytest.fixture
def packages(build, tmp_path):
    """Create the installed files that `trim` handles."""
    (tmp_path / "botocore" / "data").mkdir(parents=True)
    (tmp_path / "botocore" / "data" / "endpoints.json").write_text('{"partitions": []}')
    powertools = "aws_lambda_powertools"
    more = ("bin", "boto3/examples", "s3transfer", f"{powertools}/event_handler/openapi")
    utilities = ("parser", "jmespath_utils", "data_classes")
    for extra in (*more, *(f"{powertools}/utilities/{utility}" for utility in utilities)):
        (tmp_path / extra).mkdir(parents=True)
    for file in ("utilities/__init__.py", "package.pyi"):
        (tmp_path / powertools / file).write_text("")
    return tmp_path


def test_trim_removes_packages_that_no_function_loads(build, packages):
    """Service models: test_service_models.py."""
    build.trim(packages)
    assert {path.name for path in packages.iterdir()} == {"aws_lambda_powertools", "botocore"}


def test_functions_never_import_boto3(build):
    imported = {path for path in called_in_code.modules() if called_in_code.imports(path) & {"boto3", "s3transfer"}}
    assert imported == set()
    assert {"boto3", "s3transfer"} <= set(build.UNREAD)


def test_trim_keeps_only_used_parts_of_powertools(build, packages):
    build.trim(packages)
    powertools = packages / "aws_lambda_powertools"
    assert {path.name for path in powertools.iterdir()} == {"utilities"}
    remaining = {path.name for path in (powertools / "utilities").iterdir()}
    assert remaining == {"__init__.py", "jmespath_utils"}


def test_trim_keeps_what_functions_load_of_powertools(build):
    code = "from aws_lambda_powertools import Logger, Metrics; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    within = {name.split(".")[2] for name in loaded if name.startswith("aws_lambda_powertools.utilities.")}
    assert within <= build.UTILITIES
    unread = [path.replace("/", ".") for path in build.UNREAD]
    assert not [name for name in loaded if name.startswith(tuple(f"{path}." for path in unread))]


def test_size_of_sums_all_files(build, tmp_path):
    (tmp_path / "folder").mkdir()
    for file in ("module.py", "folder/module.pyc"):
        (tmp_path / file).write_bytes(b"x" * 1_000)
    assert build.size_of(tmp_path) == 2_000


def test_copy_leaves_out_packages_that_run_elsewhere(build, tmp_path):
    build.copy(tmp_path)
    copied = tmp_path / "evercert"
    assert {path.name for path in PACKAGE.iterdir()} - {path.name for path in copied.iterdir()} - {"__pycache__"} == {
        name for name in ("cli", "console", "host") if (PACKAGE / name).exists()
    }
    assert (copied / "issuance" / "run.py").is_file()
    assert list(tmp_path.rglob("__pycache__")) == []


def test_functions_import_nothing_that_the_layer_lacks(build, tmp_path):
    build.copy(tmp_path)
    text = "\n".join(path.read_text() for path in [*tmp_path.rglob("*.py"), *FUNCTIONS.rglob("*.py")])
    assert [name for name in build.ELSEWHERE if f"evercert.{name}" in text] == []


def test_layer_contains_the_openapi_document(build, tmp_path):
    build.copy(tmp_path)
    assert (tmp_path / "evercert" / "authority" / "infisical_api" / "openapi.json").is_file()
