"""All the workers of one app, true without a screen: session, schedule, inbox, replay, predictions."""
