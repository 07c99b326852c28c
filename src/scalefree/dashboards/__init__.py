"""Saved wandb workspaces as code, one per figure of the paper and one for the question behind it; needs the optional extra `dashboards`."""
