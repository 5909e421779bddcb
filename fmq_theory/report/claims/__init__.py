"""The register's findings: in a terminal, as a document, as a page, for programs."""
