"""The server: images are filled over HTTP, each in a process that the server can do without."""
