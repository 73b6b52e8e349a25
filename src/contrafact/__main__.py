"""`python -m contrafact`: the command line where the script is not on the path."""

from contrafact.cli import main

if __name__ == "__main__":
    main()
