"""`python -m graticule`: the command line, for those who start modules, such as `torchrun -m`."""

from graticule.cli import main

if __name__ == "__main__":
    main()
