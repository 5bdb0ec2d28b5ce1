"""The demo university: its offices are programs and files of their own."""
