"""People's own tables, streamed: CSV, TSV, JSONL, Parquet, Arrow and data sets of the hub, with their bad lines counted.

    table = open_table("reviews.csv")               # or hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT]
    table.need("text", "label")                     # DataError with the closest name
    for number, row in table.rows():                # streamed; may be called again
        if not row["text"]:
            table.skip(number, "its text is empty")
    print(table.bad_count, table.bad)               # the lines left out, the first 20 with their reasons

What the cells of label columns mean is in `labels`; `writing` writes a table whole or not at all.
"""

from surpass.tables.base import BadLine, Columns, Row, Table, file_digest, textless
from surpass.tables.opening import open_table, read_rows
from surpass.tables.sampling import sample

__all__ = ["BadLine", "Columns", "Row", "Table", "file_digest", "open_table", "read_rows", "sample", "textless"]
