"""``python -m proxy`` is ``headgate``."""

from proxy.cli.main import main

if __name__ == "__main__":
    main()
