"""An nginx that speaks TLS before the upstream. It stands for a provider: the same for every row, counted for none."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.processes import accepts, free_port, running, wait_for

CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {work}/tls.pid;
error_log {work}/tls-error.log warn;
events {{ worker_connections 32768; }}
http {{
    access_log off;
    client_body_temp_path {work}/tls-body;
    proxy_temp_path {work}/tls-proxy;
    fastcgi_temp_path {work}/tls-fastcgi;
    uwsgi_temp_path {work}/tls-uwsgi;
    scgi_temp_path {work}/tls-scgi;
    ssl_certificate {work}/localhost.pem;
    ssl_certificate_key {work}/localhost.key;
    ssl_session_cache shared:tls:10m;
    tcp_nodelay on;
    keepalive_requests 100000000;
    client_max_body_size 32m;
    client_body_buffer_size 256k;
{servers}
}}
"""
SERVER = """\
    upstream u{port} {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        location / {{
            proxy_pass http://u{port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
"""


def make_certificates(work: Path) -> Path:
    """A CA and a certificate for localhost that it signed; returns the CA's file."""
    ca = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bench"]
    openssl(work, *ca, "-keyout", "ca.key", "-out", "ca.pem")
    asked = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    openssl(work, *asked, "-keyout", "localhost.key", "-out", "localhost.csr")
    (work / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signed = ["x509", "-req", "-days", "2", "-in", "localhost.csr", "-CA", "ca.pem", "-CAkey", "ca.key"]
    openssl(work, *signed, "-CAcreateserial", "-extfile", "names", "-out", "localhost.pem")
    return work / "ca.pem"


def openssl(work: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=work, check=True, capture_output=True)


@contextmanager
def terminator(ports: Sequence[int], work: Path) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yields its ports, one for each of the upstream's, and its process. The certificates are in `work`."""
    ours = tuple(free_port() for _ in ports)
    servers = "".join(SERVER.format(port=port, upstream=upstream) for port, upstream in zip(ours, ports, strict=True))
    path = work / "tls.conf"
    path.write_text(CONFIG.format(work=work, servers=servers))
    command = ["nginx", "-c", str(path), "-p", str(work), "-e", str(work / "tls-error.log")]
    with running(command, work / "tls.log") as process:
        wait_for(lambda: all(map(accepts, ours)), "the TLS terminator", process)
        yield ours, process.pid
