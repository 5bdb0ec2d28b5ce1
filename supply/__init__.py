"""What the program is made of besides its own code: packages, vendored files, their licences, and catalogues."""
