"""`python -m kerasxai`."""

from kerasxai.cli import command

command()
