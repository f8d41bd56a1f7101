"""Coverage-guided fuzzing of the wire and data plane with atheris: ``python -m fuzz TARGET`` for one, ``make fuzz`` for all."""
