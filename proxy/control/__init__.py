"""The one writer: file, operators, workers and time enter as events of one loop; plans, history and figures come out of it."""
