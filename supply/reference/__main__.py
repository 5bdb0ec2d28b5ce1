"""Writes the reference: `python -m supply.reference`."""

from foundation.translation import use_language

if __name__ == "__main__":
    # The help is collected in the language of the code.
    use_language("en")
    from supply.reference.pages import write

    write()
