"""The names of the kernels that share a deployment."""

from __future__ import annotations

import os
import secrets
import socket


def new_kernel_name() -> str:
    """A name that says which machine and process it is, and that no other kernel has."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
