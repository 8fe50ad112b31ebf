-- What was told lately, and in the order of the log; which alert a resolution belongs to.
CREATE INDEX alert_told_time ON routing.alert_told (told_at);

CREATE INDEX alert_resolved ON routing.alert (resolved_position) WHERE resolved_position IS NOT NULL;
