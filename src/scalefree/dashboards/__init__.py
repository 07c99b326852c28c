"""Saved wandb workspaces as code, one per figure of the paper; needs the optional extra `dashboards`."""
