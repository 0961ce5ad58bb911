"""The trials: members, fault and policies of each.

Owns the table. Every kind of member has every kind of fault that is possible for it, and every policy of
writing and reading meets several faults. Two wiped members have to be filled from the third. That needs every
acknowledged write on every member, so the policy there is `all`.
"""

from harness.replicas.trial import Trial


def _row(fault: str, hits: str, members: str, write: str = "quorum", read: str = "ordered") -> Trial:
    policies = "" if (write, read) == ("quorum", "ordered") else f"-{write}-{read}"
    hit = "+".join(hits.split()) or "-".join(members.split())
    return Trial(f"{fault}-{hit}{policies}", tuple(members.split()), fault, tuple(hits.split()), write, read)


TRIALS = (
    _row("none", "", "fs minio sftp"),
    _row("none", "", "versitygw azurite wsgidav", read="fastest"),
    _row("none", "", "fs rclone fs2", read="hedged"),
    _row("none", "", "minio sftp", "best-effort"),
    _row("kill", "minio", "fs minio sftp"),
    _row("kill", "sftp", "fs sftp versitygw", read="hedged"),
    _row("kill", "wsgidav", "fs wsgidav minio", "all"),
    _row("kill", "azurite", "fs azurite sftp", "first", "fastest"),
    _row("kill", "versitygw", "versitygw fs wsgidav", "best-effort"),
    _row("stop", "versitygw", "fs versitygw sftp", read="hedged"),
    _row("stop", "sftp", "sftp fs minio", "best-effort"),
    _row("stop", "azurite", "fs azurite wsgidav", "all", "fastest"),
    _row("503", "minio", "minio fs wsgidav", read="fastest"),
    _row("503", "azurite", "fs azurite versitygw", "all"),
    _row("503", "wsgidav", "fs wsgidav sftp", "first", "hedged"),
    _row("reset", "sftp", "fs sftp azurite", read="hedged"),
    _row("reset", "minio", "fs minio versitygw"),
    _row("reset", "azurite", "azurite fs sftp", "all"),
    _row("reset", "wsgidav", "fs wsgidav versitygw", "best-effort", "fastest"),
    _row("slow", "versitygw", "fs versitygw azurite", read="fastest"),
    _row("slow", "sftp", "sftp minio fs", "best-effort", "hedged"),
    _row("slow", "wsgidav", "wsgidav fs azurite", "first"),
    _row("full", "small", "small minio sftp"),
    _row("full", "small", "small versitygw fs", "first", "fastest"),
    _row("credentials", "minio", "fs minio azurite"),
    _row("credentials", "sftp", "fs sftp wsgidav", "first"),
    _row("credentials", "azurite", "azurite fs minio", read="hedged"),
    _row("credentials", "versitygw", "fs versitygw wsgidav", "best-effort"),
    _row("bucket", "versitygw", "fs versitygw sftp"),
    _row("bucket", "azurite", "fs azurite minio", read="fastest"),
    _row("bucket", "sftp", "sftp fs wsgidav"),
    _row("wipe", "fs", "fs minio sftp"),
    _row("wipe", "minio", "fs minio azurite", read="hedged"),
    _row("wipe", "fs versitygw", "fs versitygw sftp", "all"),
    _row("wipe", "sftp wsgidav", "sftp wsgidav minio", "all", "fastest"),
    _row("corrupt", "fs", "fs minio sftp"),
    _row("corrupt", "sftp", "fs sftp versitygw"),
    _row("corrupt", "wsgidav", "wsgidav fs azurite", read="fastest"),
    _row("gateway", "", "fs minio sftp"),
    _row("gateway", "", "versitygw azurite wsgidav", "all", "hedged"),
    _row("gateway", "", "fs sftp azurite", "first", "fastest"),
    _row("gateway", "", "minio wsgidav fs", "best-effort"),
)
