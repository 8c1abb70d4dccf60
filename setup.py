"""What pyproject.toml cannot say: the pages of `docs/` go into the wheel, for `ssql docs`."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DOCS = Path(__file__).parent / "docs"


class BuildWithPages(build_py):
    """Copies the pages beside the modules; an editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for page, target in self._pages():
                self.mkpath(str(target.parent))
                self.copy_file(str(page), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._pages())]

    def _pages(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib, "ssql_cli", "pages")
        return [(page, folder / page.relative_to(DOCS)) for page in sorted(DOCS.rglob("*.md"))]


setup(cmdclass={"build_py": BuildWithPages})
