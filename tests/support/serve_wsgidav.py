"""WsgiDAV over a directory, on a free port, which its command line cannot choose.

Usage: serve_wsgidav.py DIRECTORY USER PASSWORD
"""

import sys

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

directory, user, password = sys.argv[1:]
app = WsgiDAVApp(
    {
        "provider_mapping": {"/": directory},
        "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "dir_browser": {"enable": False},
        "logging": {"enable": False},
        "verbose": 1,
    }
)
server = wsgi.Server(("127.0.0.1", 0), app, numthreads=32, request_queue_size=128)
server.prepare()
print("serving on http://%s:%d" % server.bind_addr, flush=True)
server.serve()
