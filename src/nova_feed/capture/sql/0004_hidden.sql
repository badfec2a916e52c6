-- What a viewer hides is told to every process that keeps pages in memory.
ALTER PUBLICATION nova_pub ADD TABLE nova_hidden;
