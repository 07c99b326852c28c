"""What a training costs on this machine: a plain script beside the package, measured in one run. See README.md here."""
