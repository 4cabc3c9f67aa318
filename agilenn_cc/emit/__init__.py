"""From a program to files: the firmware project, the server module, one writer."""

from .meta import DeploymentMeta
from .project import emit_project
from .writer import WriteReport, write_tree

__all__ = ["DeploymentMeta", "WriteReport", "emit_project", "write_tree"]
