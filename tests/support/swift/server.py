"""OpenStack Object Storage in one directory, on free ports: one replica on one device, and TempAuth.

Its data are lost with the process, and many tests wait for it, so it neither syncs nor logs requests. The
content of memcached is in `memory`.

    python server.py DIRECTORY

prints `listening on ADDRESS` once it serves the account `test` (user `test:tester`, key `testing`) with a
container `bucket`.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

root = os.path.abspath(sys.argv[1])
here = os.path.dirname(os.path.abspath(__file__))


def free():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def with_us():
    """Called in a child: it ends when this process does (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


ports = {name: free() for name in ("account", "container", "object", "proxy")}
os.makedirs(f"{root}/etc")
os.makedirs(f"{root}/srv/d1")
with open(f"{root}/etc/swift.conf", "w") as file:
    file.write("[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n[storage-policy:0]\nname = p\ndefault = yes\n")


def ring(name):
    from swift.common.ring import RingBuilder

    builder = RingBuilder(4, 1, 0)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[name], "device": "d1", "weight": 1.0, "meta": ""}
    builder.add_dev(place | {"replication_ip": "127.0.0.1", "replication_port": ports[name]})
    builder.rebalance()
    builder.get_ring().save(f"{root}/etc/{name}.ring.gz")


COMMON = f"""[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {{port}}
devices = {root}/srv
mount_check = false
swift_dir = {root}/etc
workers = 0
log_level = ERROR
log_requests = false
"""
PROXY = f"""[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
paste.filter_factory = memory:filter_factory
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
""" + "".join(
    f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in ("catch_errors", "gatekeeper", "listing_formats", "copy", "slo", "dlo")
)
START = """
import gc, os, sys
os.fsync = os.fdatasync = lambda file: None
gc.set_threshold(50_000, 50, 100)
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(sys.argv[1], sys.argv[2]))
"""
servers = []
for name, port in ports.items():
    if name != "proxy":
        ring(name)
    app = PROXY if name == "proxy" else f"[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n"
    if name == "object":
        app += "fallocate_reserve = 0\n"
    with open(f"{root}/etc/{name}.conf", "w") as file:
        file.write(COMMON.format(port=port) + app)
    arguments = [sys.executable, "-c", START, f"{root}/etc/{name}.conf", f"{name}-server"]
    servers.append(subprocess.Popen(arguments, preexec_fn=with_us, env=os.environ | {"PYTHONPATH": here}))


def created():
    """Creates the container, once all servers are ready."""
    address = f"http://127.0.0.1:{ports['proxy']}"
    keys = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/auth/v1.0", headers=keys), timeout=5) as reply:
        token = reply.headers["X-Auth-Token"]
    put = urllib.request.Request(f"{address}/v1/AUTH_test/bucket", method="PUT", headers={"X-Auth-Token": token})
    with urllib.request.urlopen(put, timeout=5) as reply:
        return reply.status < 300


while True:
    try:
        if created():
            break
    except OSError:
        if any(server.poll() is not None for server in servers):
            sys.exit("a server has ended")
        time.sleep(0.1)
print(f"listening on 127.0.0.1:{ports['proxy']}", flush=True)
signal.pause()
