"""pyftpdlib's server with fewer features, or with TLS from the first byte, to simulate other servers.

Prints the address on which it listens, as `pyftpdlib` does.
"""

import argparse
import os
import warnings

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import asyncore

parser = argparse.ArgumentParser()
parser.add_argument("root")
parser.add_argument("--certificate", nargs=2)
parser.add_argument("--implicit", action="store_true")
parser.add_argument("--without", nargs="*", default=[], help="commands that it does not know")
parser.add_argument("--no-replacing", action="store_true", help="RNTO refuses a name that is taken")
parser.add_argument("--read-only", action="store_true")
parser.add_argument("--careless", action="store_true", help="RMD removes what is in a folder, and RETR does not care for REST")
parser.add_argument("--lying", action="store_true", help="PASV names another host")
parser.add_argument("--refuses-late", action="store_true", help="a wrong password is answered after an hour")
parser.add_argument("--user", default="user")
parser.add_argument("--password", default="pass word")
parser.add_argument("--max-connections", type=int, default=512)
arguments = parser.parse_args()

base = TLS_FTPHandler if arguments.certificate else FTPHandler


class Loop(IOLoop):
    """A loop that gives an event only to the connection for which it was reported.

    pyftpdlib's own loop gives it to the connection that has the descriptor by then. A connection that is
    accepted while others close may get their descriptor, and their hang-up would close it: its client would
    wait for a reply that never comes.
    """

    def poll(self, timeout):
        polled = self._poller.poll(-1 if timeout is None else timeout)
        found = [(fd, event, self.socket_map.get(fd)) for fd, event in polled]
        for fd, event, instance in found:
            if instance is None or self.socket_map.get(fd) is not instance:
                continue
            if event & self._ERROR and not event & self.READ:
                instance.handle_close()
                continue
            if event & self.READ and instance.readable():
                asyncore.read(instance)
            if event & self.WRITE and instance.writable():
                asyncore.write(instance)


class FileSystem(AbstractedFS):
    def rename(self, src, dst):
        if arguments.no_replacing and os.path.exists(dst):
            raise FileExistsError(17, "File exists")
        super().rename(src, dst)

    def chdir(self, path):
        # pyftpdlib's own method changes the directory of the whole process, and fails when that folder is
        # removed.
        if not os.path.isdir(path):
            raise NotADirectoryError(20, "Not a directory")
        self.cwd = self.fs2ftp(path)

    def rmdir(self, path):
        if arguments.careless:
            for name in os.listdir(path):
                os.remove(os.path.join(path, name))
        super().rmdir(path)


class Handler(base):
    abstracted_fs = FileSystem
    # pyftpdlib's default of five seconds is longer than the gateway waits for a login.
    auth_failed_timeout = 3600 if arguments.refuses_late else 0
    proto_cmds = {name: how for name, how in base.proto_cmds.items() if name not in arguments.without}

    def handle(self):
        if arguments.implicit:
            self.secure_connection(self.ssl_context)
        super().handle()

    def ftp_RETR(self, file):
        if arguments.careless:
            self._restart_position = 0
        return super().ftp_RETR(file)


Handler.authorizer = DummyAuthorizer()
Handler.authorizer.add_user(arguments.user, arguments.password, arguments.root, perm="elr" if arguments.read_only else "elradfmwMT")
if arguments.certificate:
    Handler.certfile, Handler.keyfile = arguments.certificate
    Handler.tls_control_required = Handler.tls_data_required = True
if arguments.lying:
    Handler.masquerade_address = "192.0.2.1"
server = FTPServer(("127.0.0.1", 0), Handler, ioloop=Loop())
server.max_cons = arguments.max_connections
server.serve_forever()
