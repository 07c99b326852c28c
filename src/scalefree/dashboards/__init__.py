"""Saved wandb workspaces as code, one a figure of the paper; needs the optional extra `dashboards`."""
