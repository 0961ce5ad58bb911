"""OpenSSH's server for one user with generated keys, on a free port, which sshd itself cannot choose.

Usage: serve_sshd.py DIRECTORY

Creates `key` (the user's private key), `known_hosts` and `root` in DIRECTORY. Ends when its input does.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

home = Path(sys.argv[1])
sshd = shutil.which("sshd")  # sshd must be started by its whole path
(home / "root").mkdir(parents=True, exist_ok=True)
for name in ("key", "host_key"):
    if (home / name).exists():  # created by an earlier start
        continue
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
shutil.copy(home / "key.pub", home / "authorized_keys")
if os.getuid() == 0:
    Path("/run/sshd").mkdir(exist_ok=True)
(home / "sshd_config").write_text(
    f"HostKey {home}/host_key\nAuthorizedKeysFile {home}/authorized_keys\nPidFile none\nStrictModes no\nUsePAM no\n"
    "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
)
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
port = listener.getsockname()[1]
if not (home / "known_hosts").exists():  # otherwise it has the port of a relay
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {(home / 'host_key.pub').read_text()}")


def end() -> None:
    sys.stdin.read()
    os._exit(0)


def serve(client: socket.socket) -> None:
    with client:
        child = subprocess.Popen([sshd, "-i", "-f", home / "sshd_config", "-E", home / "log"], stdin=client, stdout=client)
    child.wait()


threading.Thread(target=end, daemon=True).start()
print(f"serving on 127.0.0.1:{port}", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
