"""`python -m surpass` is the command `surpass`."""

from surpass.cli import main

if __name__ == "__main__":
    main(prog_name="surpass")
