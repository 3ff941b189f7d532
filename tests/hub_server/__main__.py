"""`python -m tests.hub_server [--root FOLDER] [--port N]`: a local Hub to try pushes and pulls by hand.

export HF_ENDPOINT=http://127.0.0.1:8848 HF_TOKEN=local-write-token HF_HUB_DISABLE_XET=1     # in another terminal
ocr-hf push dataset ocr-vsi --repo org/ocr-vsi
curl $HF_ENDPOINT/_hub/traffic                                                               # who asked for what
curl -d '{"match": "PUT /storage", "action": "cut_upload"}' $HF_ENDPOINT/_hub/faults         # break the next upload
"""

import argparse
import shlex
from pathlib import Path

from .accounts import DEFAULT_ACCOUNTS
from .launch import client_variables, prepare


def main() -> None:
    what = "A local Hub to try pushes and pulls by hand."
    parser = argparse.ArgumentParser(prog="python -m tests.hub_server", description=what)
    parser.add_argument("--root", type=Path, default=Path("local-hub"), help="where repositories are kept")
    parser.add_argument("--port", type=int, default=8848, help="the API's port; large files come from the next one")
    arguments = parser.parse_args()
    hub, _, server, sockets = prepare(arguments.root, arguments.port)
    print(f"Local Hub at {hub.url}, data in {arguments.root}. Accounts:")
    for account in DEFAULT_ACCOUNTS:
        print(f"  {account.name:10} {account.role:6} token {account.token}  writes to {', '.join(account.namespaces)}")
    variables = client_variables(hub.url, DEFAULT_ACCOUNTS[0].token)
    print("For the clients:\n  export " + " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items()))
    server.run(sockets=sockets)


if __name__ == "__main__":
    main()
