"""What pyproject.toml has no word for: a copy of configs/ goes into the package where it is installed as a copy."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """The package with `scalefree/configs/`; an editable install reads the checkout's own."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_tree("configs", str(Path(self.build_lib, "scalefree", "configs")))


setup(cmdclass={"build_py": BuildWithConfigs})
