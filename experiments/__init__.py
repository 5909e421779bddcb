"""Runs whose results this repository shows; each can be repeated by one command.

At the top stand the commands and addresses by which published results say how they were made:
``train_digits``, ``train_classifier`` and ``reference_data``. All else is in rooms by subject: ``figures``
(one experiment a file) and their ``framework``, ``models`` and ``training``, ``benchmark``, ``fuzz``;
``documents``, ``guide`` and ``external_checks`` write what the pages show.
"""
