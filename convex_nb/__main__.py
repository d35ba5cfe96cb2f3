"""`python -m convex_nb`: which version this is, and where to begin."""

from __future__ import annotations

from convex_nb._version import __version__


def main() -> None:
    print(
        f"convex_nb {__version__}: a reactive backend that lives inside a Jupyter notebook\n"
        "\n"
        "In a checkout:   make demo   run the tour and check what it shows\n"
        "                 make test   run every test\n"
        "                 make lab    open the tour in JupyterLab\n"
        "In a notebook:   %load_ext convex_nb"
    )


if __name__ == "__main__":
    main()
