"""A client of the gateway for Python programs; the command line is one of them.

async with connect("https://host", key="...") as client:
    accepted = await client.submit(Path("paper.pdf"), {"libraryId": "papers"})
    job = await client.ended(accepted["jobId"])
    found = await client.search("frost resistance", top=5)
"""

from infra.client.client import Client, connect
from infra.client.failure import ClientError

__all__ = ["Client", "ClientError", "connect"]
