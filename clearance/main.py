"""The `clearance` command."""


def main() -> None:
    """Run the command line."""
