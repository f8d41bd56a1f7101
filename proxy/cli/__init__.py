"""The command line: verbs over the configuration, the supervisor and the admin API. Holds no rule of its own."""
