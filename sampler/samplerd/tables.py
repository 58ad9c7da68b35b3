"""Plain tables for terminals."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest entry; the last one is left as it is."""
    all_rows = [head, *rows]
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(head) - 1)]
    return [
        "  ".join([*(entry.ljust(width) for entry, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
        for row in all_rows
    ]
