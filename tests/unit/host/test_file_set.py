"""Files as one set: links, modes, owners, files of other programs, hostile folders, and readers at full speed."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from evercert.errors import Misconfigured
from evercert.host.bundle import read
from evercert.host.file_set import FileSet
from evercert.host.outputs import Output
from evercert.pki.certificate import Bundle
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.host import CA, secret_value, serial_of


def bundle(revision: int) -> Bundle:
    return read(secret_value(revision), "secret")


def key_of(revision: int) -> str:
    key = bundle(revision).private_key
    assert key is not None
    return key.pem()


def issuers_of(revision: int) -> str:
    return bundle(revision).chain.issuers_pem


def outputs(folder: Path, **changes: object) -> tuple[Output, ...]:
    return (
        Output("certificate", folder / "web.crt", **changes),  # type: ignore[arg-type]
        Output("private-key", folder / "private" / "web.key", **changes),  # type: ignore[arg-type]
        Output("chain", folder / "chain.pem", **changes),  # type: ignore[arg-type]
    )


def install(files: FileSet, revision: int) -> str:
    name = files.stage(bundle(revision), revision)
    files.switch(name)
    return name


def test_paths_show_the_installed_set(tmp_path: Path) -> None:
    files = FileSet("web", outputs(tmp_path))
    name = install(files, 1)
    assert files.shows(name)
    assert serial_of((tmp_path / "web.crt").read_bytes()) == 1_001
    assert (tmp_path / "private" / "web.key").read_text() == key_of(1)
    assert (tmp_path / "chain.pem").read_text() == issuers_of(1)
    assert stat.S_IMODE((tmp_path / "private" / "web.key").stat().st_mode) == 0o600


def test_staged_set_changes_no_path(tmp_path: Path) -> None:
    files = FileSet("web", outputs(tmp_path))
    files.stage(bundle(1), 1)
    assert not (tmp_path / "web.crt").exists()


def test_one_rename_changes_all_paths(tmp_path: Path) -> None:
    """After the first time, a switch makes one link: no path is touched."""
    files = FileSet("web", outputs(tmp_path))
    install(files, 1)
    before = [os.lstat(one.path).st_ino for one in outputs(tmp_path)]
    install(files, 2)
    assert [os.lstat(one.path).st_ino for one in outputs(tmp_path)] == before
    assert serial_of((tmp_path / "web.crt").read_bytes()) == 1_002


def test_mode_and_owner_of_the_file(tmp_path: Path) -> None:
    install(FileSet("web", outputs(tmp_path, mode=0o640, owner=str(os.geteuid()), group=str(os.getegid()))), 1)
    for one in outputs(tmp_path):
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o640


def test_umask_does_not_cut_the_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        install(FileSet("web", outputs(tmp_path, mode=0o644)), 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "web.crt").stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_existing_file_keeps_mode_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "web.crt"
    path.write_text("old")
    os.chown(path, 1, 2)
    path.chmod(0o644)
    install(FileSet("web", outputs(tmp_path)), 1)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 2, 0o644)
    assert serial_of(path.read_bytes()) == 1_001


@pytest.mark.parametrize("field", ["owner", "group"])
def test_unknown_owner_is_one_line(tmp_path: Path, field: str) -> None:
    with pytest.raises(Misconfigured, match="no user or group 'missing-user' on this host"):
        FileSet("web", outputs(tmp_path, **{field: "missing-user"})).stage(bundle(1), 1)


def test_files_of_another_program_never_mix_with_ours(tmp_path: Path) -> None:
    """The old files become a set first, so a reader sees two old files or two new ones."""
    (tmp_path / "private").mkdir()
    (tmp_path / "web.crt").write_text(bundle(7).chain.leaf_pem)
    (tmp_path / "private" / "web.key").write_text(key_of(7))
    files = FileSet("web", outputs(tmp_path))
    with reading(tmp_path) as seen:
        install(files, 1)
    assert set(seen) <= {(1_007, True), (1_001, True)}
    assert serial_of((tmp_path / "web.crt").read_bytes()) == 1_001


def test_reader_at_full_speed_sees_no_mixed_set(tmp_path: Path) -> None:
    files = FileSet("web", outputs(tmp_path))
    install(files, 1)
    with reading(tmp_path) as seen:
        for revision in range(2, 52):
            name = install(files, revision)
            files.keep([name])
    assert len(seen) > 50
    assert {matches for _, matches in seen} == {True}


def test_links_of_another_program_are_replaced(tmp_path: Path) -> None:
    """Certbot's folder `live` has such links."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "cert1.pem").write_text("old")
    (tmp_path / "web.crt").symlink_to("archive/cert1.pem")
    install(FileSet("web", outputs(tmp_path)), 1)
    assert serial_of((tmp_path / "web.crt").read_bytes()) == 1_001
    assert (tmp_path / "archive" / "cert1.pem").read_text() == "old"


def test_moved_folder_keeps_working(tmp_path: Path) -> None:
    """A container mounts the folder elsewhere."""
    install(FileSet("web", outputs(tmp_path / "a")), 1)
    (tmp_path / "a").rename(tmp_path / "b")
    assert serial_of((tmp_path / "b" / "web.crt").read_bytes()) == 1_001


@pytest.mark.parametrize("what", ["folder", "large"])
def test_file_set_keeps_files_of_another_kind(tmp_path: Path, what: str) -> None:
    path = tmp_path / "web.crt"
    if what == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(Misconfigured, match=r"is not a file|more than"):
        install(FileSet("web", outputs(tmp_path)), 1)
    assert path.exists() and not path.is_symlink()


@pytest.mark.parametrize("level", [".evercert", ".evercert/web"])
def test_link_instead_of_our_folder_is_refused(tmp_path: Path, level: str) -> None:
    """Or another user of the folder could let root write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "tls" / level
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    with pytest.raises(Misconfigured, match="is not a directory"):
        install(FileSet("web", outputs(tmp_path / "tls")), 1)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".evercert").mkdir()
    os.chown(tmp_path / ".evercert", 1, 1)
    with pytest.raises(Misconfigured, match="belongs to another user"):
        install(FileSet("web", outputs(tmp_path)), 1)


def test_old_sets_are_removed_and_kept_ones_are_not(tmp_path: Path) -> None:
    files = FileSet("web", outputs(tmp_path))
    names = [install(files, revision) for revision in (1, 2, 3)]
    files.keep(names[1:])
    assert sorted(path.name for path in (tmp_path / ".evercert" / "web").iterdir()) == sorted(["current", *names[1:]])


def test_interrupted_set_is_written_again(tmp_path: Path) -> None:
    files = FileSet("web", outputs(tmp_path))
    name = install(files, 1)
    left = tmp_path / ".evercert" / "web" / f".{files.stage(bundle(2), 2)}.new"
    left.mkdir()
    (left / "certificate.pem").write_text("half")
    files.keep([name])
    assert not left.exists()
    assert serial_of((tmp_path / "web.crt").read_bytes()) == 1_001


def test_changed_settings_lead_to_another_set(tmp_path: Path) -> None:
    first = FileSet("web", outputs(tmp_path)).stage(bundle(1), 1)
    assert FileSet("web", outputs(tmp_path)).stage(bundle(1), 1) == first
    assert FileSet("web", outputs(tmp_path, mode=0o644)).stage(bundle(1), 1) != first


def test_combined_file_has_leaf_chain_and_key(tmp_path: Path) -> None:
    one = Output("combined", tmp_path / "haproxy.pem")
    install(FileSet("web", (one,)), 1)
    text = one.path.read_text()
    assert text == bundle(1).chain.leaf_pem + issuers_of(1) + key_of(1)


def test_roots_are_left_out_unless_wanted(tmp_path: Path) -> None:
    root = CA.certificate.issuer
    assert bundle(1).chain.certificates[1].issuer == root
    assert Output("chain", tmp_path / "x", omit_root=False).content(bundle(1)).count(b"BEGIN") == 1


def test_mode_of_a_key_is_never_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "private" / "web.key"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o4644)
    install(FileSet("web", outputs(tmp_path)), 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_mode_comes_from_no_foreign_link(tmp_path: Path) -> None:
    open_file = tmp_path / "open"
    open_file.write_text("x")
    open_file.chmod(0o666)
    (tmp_path / "web.crt").symlink_to("open")
    install(FileSet("web", outputs(tmp_path)), 1)
    assert stat.S_IMODE((tmp_path / "web.crt").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("what", ["file", "parent"])
def test_link_of_another_user_is_never_followed(tmp_path: Path, what: str) -> None:
    """The owner of a directory could let root read /etc/shadow, or write into the directory of another service."""
    home, secret = tmp_path / "home", tmp_path / "secret"
    home.mkdir()
    secret.mkdir(mode=0o700)
    (secret / "shadow").write_text("root")
    os.chown(home, 65_534, 65_534)
    if what == "file":
        (home / "web.crt").symlink_to(secret / "shadow")
        files = FileSet("web", outputs(home))
    else:
        (home / "tls").symlink_to(secret)
        files = FileSet("web", outputs(home / "tls"))
    with pytest.raises(Misconfigured, match="link"):
        install(files, 1)
    assert [path.name for path in secret.iterdir()] == ["shadow"]
    copies = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert "root" not in [path.read_text() for path in copies]


def test_setuid_of_an_existing_file_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "web.crt").write_text("old")
    (tmp_path / "web.crt").chmod(0o6755)
    install(FileSet("web", outputs(tmp_path)), 1)
    modes = [path.stat().st_mode for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(mode & 0o7000 for mode in modes)


def test_umask_does_not_close_the_folders(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        install(FileSet("web", outputs(tmp_path / "tls")), 1)
    finally:
        os.umask(before)
    folders = [path for path in (tmp_path / "tls").rglob("*") if path.is_dir() and not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}


class reading:  # noqa: N801 (used as a function)
    """Read certificate and key as fast as possible, through the one link that a switch changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._end = threading.Event()
        self._seen: list[tuple[int, bool]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> list[tuple[int, bool]]:
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        for _ in self._forever():
            pair = self._pair()
            if pair is not None:
                certificate, key = pair
                public = PrivateKey.from_pem(key.decode()).public_bytes()
                leaf = read_leaf(certificate)
                self._seen.append((leaf[0], leaf[1] == public))

    def _forever(self) -> Iterator[None]:
        while not self._end.is_set():
            yield

    def _pair(self) -> tuple[bytes, bytes] | None:
        """Read both files; a switch between the two reads shows by the link, and is read again."""
        link = self._folder / ".evercert" / "web" / "current"
        before = os.readlink(link) if link.is_symlink() else None  # noqa: PTH115
        try:
            found = (self._folder / "web.crt").read_bytes(), (self._folder / "private" / "web.key").read_bytes()
        except FileNotFoundError:
            return None
        after = os.readlink(link) if link.is_symlink() else None  # noqa: PTH115
        return found if before == after else None


def read_leaf(pem: bytes) -> tuple[int, bytes]:
    """Return serial number and public key."""
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.serial_number, public_bytes(certificate.public_key())
