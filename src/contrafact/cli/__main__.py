"""`python -m contrafact.cli`, for where the script is not installed."""

from contrafact.cli.commands import main

if __name__ == "__main__":
    main()
