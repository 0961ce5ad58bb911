"""Signs a plain request with AWS Signature Version 4, for requests that no client library can send.

Owns signing only: bodies are whole, and paths and queries must be percent-encoded already.
"""

import datetime
import hashlib
import hmac
from urllib.parse import urlsplit


def signed_headers(
    method: str,
    url: str,
    access_key: str,
    secret_key: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    region: str = "us-east-1",
) -> dict[str, str]:
    """`headers` with Host, date, payload hash and Authorization added; all of them are signed."""
    parts = urlsplit(url)
    now = datetime.datetime.now(datetime.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    signed = {name.lower(): value for name, value in (headers or {}).items()}
    signed |= {"host": parts.netloc, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    names = ";".join(sorted(signed))
    query = "&".join(sorted(pair if "=" in pair else pair + "=" for pair in parts.query.split("&") if pair))
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            query,
            *(f"{name}:{signed[name].strip()}" for name in sorted(signed)),
            "",
            names,
            digest,
        ]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret_key.encode()
    for part in (day, region, "s3", "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return signed
