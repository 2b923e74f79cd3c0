"""A person's own data: fitting a student to imperfect labels, the model folder that holds it, and what is known of it."""
