"""The only place where settings become objects: a module for each process, on connections."""
