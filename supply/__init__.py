"""What the program is made of besides its own code: locked packages, vendored files, and their licences."""
