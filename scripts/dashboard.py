"""Create or update a project's saved wandb workspaces, one per question.

python scripts/dashboard.py entity=NAME project=scalefree

Needs a wandb account (`wandb login`) and the extra `dashboards`. Running it twice changes nothing.
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.streams import begin
from scalefree.wandb_names import check_wandb_address


def main() -> int:
    """Exit codes: 0 done, 1 wandb refused or did not answer, 2 an unknown or missing argument, or not installed."""
    try:
        options = parse(given(), entity="", project="scalefree")
        if not options["entity"]:
            raise ValueError("entity= is missing: the user or team on wandb that owns the project")
        check_wandb_address(options["project"], options["entity"])
    except ValueError as error:
        return refused(error)
    try:
        from scalefree.dashboards.publish import publish
    except ModuleNotFoundError as error:
        return refused(f"{error}; in the checkout, make setup or pip install -e '.[dashboards]' installs it")
    try:
        published = publish(options["entity"], options["project"])
    except Exception as error:  # wandb, its workspaces and its transport each raise their own kinds
        refused(f"{type(error).__name__}: {error}")
        return 1
    for one in published:
        print(f"{one.change:>9}  {one.title}: {one.url}")
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
