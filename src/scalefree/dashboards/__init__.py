"""Saved wandb workspaces as code, one per figure of the paper and one more; needs the extra `dashboards`."""
