"""Server runtime. Copied into every emitted server module, so it imports nothing around it."""

from .errors import DecodeError, ProtocolError, ServeError
from .metadata import ServerMeta, load_module
from .runner import run_server
from .server import Server, ServerOptions, bind
from .sessions import Limits

__all__ = [
    "DecodeError",
    "Limits",
    "ProtocolError",
    "ServeError",
    "Server",
    "ServerMeta",
    "ServerOptions",
    "bind",
    "load_module",
    "run_server",
]
