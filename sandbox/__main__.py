"""`python -I -m sandbox`: the command without what the working folder or PYTHONPATH could add."""

from sandbox.cli.main import main

if __name__ == "__main__":
    main()
