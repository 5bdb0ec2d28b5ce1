"""Questions of the pages, the command line and exports. They write nothing."""
