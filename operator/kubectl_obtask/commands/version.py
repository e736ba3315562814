"""Owns `version`: that of the plugin."""

from importlib.metadata import PackageNotFoundError, version

from kubectl_obtask.session import Session, verb


@verb("version")
def command(session: Session) -> None:
    """Print the version of the plugin."""
    session.terminal.line(f"kubectl obtask {own_version()}")


def own_version() -> str:
    """Return the version of the plugin; a zipapp without its metadata has none."""
    try:
        return version("kubectl-obtask")
    except PackageNotFoundError:
        return "unknown"
