"""The nouns, frozen: service, version, endpoint, route, match, rollout plan, intent, and the RoutePlan that goes down to workers."""
