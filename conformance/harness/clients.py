"""Installs the pinned clients and upstream servers, each into a directory of its own.

Owns `CACHE/clients/`. Each client has its own virtual environment, because awscli, boto3 and others pin
different botocores. An installation is reused while its pins are unchanged. The pins are written into the
directory as the last step, so an interrupted installation is never taken for a complete one. A client that is
a library comes with the program that uses it: a folder of `scenarios/`, whose files count as pins.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent.parent
REQUIREMENTS = CONFORMANCE / "requirements"

MAVEN_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:2.8"
MAVEN_COORDINATES = (("groupId", "group"), ("artifactId", "artifact"), ("version", "version"))


class InstallError(Exception):
    """A client could not be installed; the message says which, and why."""


def installed(name: str, cache: Path) -> Path | None:
    """The directory of client `name`, if it is installed with the present pins."""
    pins, home = _pins(name), cache / "clients" / name
    mark = home / pins.name
    return home if mark.is_file() and mark.read_bytes() == _wanted(pins) else None


def _pins(name: str) -> Path:
    found = [path for path in REQUIREMENTS.glob(f"{name}.*") if path.suffix in (".txt", ".toml")]
    if len(found) != 1:
        raise InstallError(f"no requirements/{name}.txt or .toml")
    return found[0]


def install(name: str, cache: Path) -> Path:
    """The directory of client `name`, which the first call installs; its programs are in `bin/`."""
    pins, home = _pins(name), cache / "clients" / name
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(home.parent / f"{name}.lock", "w") as lock:  # two runs may share a cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed(name, cache) is None:
            shutil.rmtree(home, ignore_errors=True)
            print(f"installing {name}", file=sys.stderr, flush=True)
            if pins.suffix == ".txt":
                _install_python(pins, home)
            else:
                pinned = tomllib.loads(pins.read_text())
                FROM[pinned["from"]](name, pinned, home)
            (home / pins.name).write_bytes(_wanted(pins))
    return home


def _wanted(pins: Path) -> bytes:
    """The pins, and a digest of each file in the folder that they name."""
    text = pins.read_bytes()
    pinned = tomllib.loads(text.decode()) if pins.suffix == ".toml" else {}
    if "folder" in pinned:
        for path in sorted(path for path in _folder(pinned).rglob("*") if path.is_file()):
            text += f"\n# {hashlib.sha256(path.read_bytes()).hexdigest()} {path.name}".encode()
    return text


def _folder(pinned: dict) -> Path:
    return CONFORMANCE / "scenarios" / pinned["folder"]


def _run(argv: list, **options) -> subprocess.CompletedProcess:
    try:
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, **options)
    except FileNotFoundError as error:
        raise InstallError(f"{argv[0]}: not found") from error
    if done.returncode != 0:
        raise InstallError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done


def _install_python(pins: Path, home: Path) -> None:
    _run([sys.executable, "-m", "venv", home])
    _run([home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", pins])


def _install_debian(name: str, pinned: dict, home: Path) -> None:
    home.mkdir(parents=True)
    # `download` needs no root, and does not change the machine's own packages.
    _run(["apt-get", "download", f"{name}={pinned['version']}"], cwd=home)
    (package,) = home.glob(f"{name}_*.deb")
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found not in pinned["sha256"].values():
        raise InstallError(f"{package.name}: sha256 {found} is not a pinned one")
    _run(["dpkg-deb", "-x", package, home / "root"])
    package.unlink()
    (home / "bin").mkdir()
    (home / "bin" / name).symlink_to(Path("..") / "root" / "usr" / "bin" / name)


def _install_npm(name: str, pinned: dict, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "package.json").write_text("{}")  # otherwise npm searches the folders above
    _run(["npm", "install", "--no-save", f"--before={pinned['before']}", f"{name}@{pinned['version']}"], cwd=home)
    (home / "bin").symlink_to(Path("node_modules") / ".bin")


def _install_go(name: str, pinned: dict, home: Path) -> None:
    home.mkdir(parents=True)
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOBIN": str(home / "bin")}
    _run(["go", "install", f"{pinned['module']}@{pinned['version']}"], cwd=home, env=environment)


def _install_maven(name: str, pinned: dict, home: Path) -> None:
    home.mkdir(parents=True)
    artifact = f"{pinned['group']}:{pinned['artifact']}:{pinned['version']}:zip"
    copy = f"{MAVEN_DEPENDENCIES}:copy"
    _run(["mvn", "-q", "-B", copy, f"-Dartifact={artifact}", f"-DoutputDirectory={home}"], cwd=home)
    archive = home / f"{pinned['artifact']}-{pinned['version']}.zip"
    _check_digest(archive, pinned["sha256"])
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(home)
    archive.unlink()
    unpacked = home / pinned["folder_in_archive"]
    for script in (unpacked / "bin").glob("*.sh"):
        script.chmod(0o755)
    (home / "bin").symlink_to(unpacked.name + "/bin")
    program, *arguments = pinned["prepare"]
    _run([unpacked / program, *arguments], cwd=unpacked)


def _install_maven_jars(name: str, pinned: dict, home: Path) -> None:
    home.mkdir(parents=True)
    coordinates = "".join(f"<{tag}>{pinned[key]}</{tag}>" for tag, key in MAVEN_COORDINATES)
    (home / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>conformance</groupId>"
        f"<artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>"
        # Its own pom.xml also pins what its dependencies depend on; a dependency's pins do not count by themselves.
        f"<dependencyManagement><dependencies><dependency>{coordinates}<type>pom</type><scope>import</scope>"
        "</dependency></dependencies></dependencyManagement>"
        f"<dependencies><dependency>{coordinates}</dependency></dependencies></project>"
    )
    copy = f"{MAVEN_DEPENDENCIES}:copy-dependencies"
    _run(["mvn", "-q", "-B", copy, "-DincludeScope=runtime", f"-DoutputDirectory={home / 'lib'}"], cwd=home)
    _check_digest(home / "lib" / f"{pinned['artifact']}-{pinned['version']}.jar", pinned["sha256"])
    program = home / "bin" / name
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec java -cp "$(dirname "$0")/../lib/*" {pinned["main"]} "$@"\n')
    program.chmod(0o755)


def _check_digest(path: Path, pinned: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != pinned:
        raise InstallError(f"{path.name}: sha256 {found} is not the pinned one")


def _install_folder(name: str, pinned: dict, home: Path) -> None:
    # The folder is copied, because package managers add files that do not belong into the repository.
    shutil.copytree(_folder(pinned), home)
    _run(pinned["command"], cwd=home)


FROM = {
    "debian": _install_debian,
    "npm": _install_npm,
    "go": _install_go,
    "maven": _install_maven,
    "maven-jars": _install_maven_jars,
    "folder": _install_folder,
}
