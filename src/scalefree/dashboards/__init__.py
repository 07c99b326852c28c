"""Saved wandb workspaces as code, one per question; needs the optional extra `dashboards`."""
