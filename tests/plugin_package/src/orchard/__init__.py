"""Plug-ins of a third party: a task, a label source, a method and a model family."""
