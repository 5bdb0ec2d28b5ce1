"""What `check` looks at before opening day, besides the sources: the server, signing in, the pages, the windows."""
