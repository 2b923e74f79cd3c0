"""Chess: the engine, its games, puzzles mined from them, and how moves are written. Needs the extra `chess`."""
