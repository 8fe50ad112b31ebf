-- Each filter of the timeline in the order of time, so that a page is read off an index and nothing is sorted; and a condition
-- for "each event once" that the planner can estimate: what tenants are told of others' lanes has parts from a million on.
DROP INDEX projection.audit_log_time;
DROP INDEX projection.audit_log_thing;
DROP INDEX projection.audit_log_kind;
DROP INDEX projection.audit_log_actor;

CREATE INDEX audit_log_time ON projection.audit_log (recorded_at, lane, position, part) WHERE part < 1000000;

CREATE INDEX audit_log_thing ON projection.audit_log (entity_id, recorded_at, lane, position, part);

CREATE INDEX audit_log_kind ON projection.audit_log (kind, recorded_at, lane, position, part) WHERE part < 1000000;

CREATE INDEX audit_log_action ON projection.audit_log (action, recorded_at, lane, position, part) WHERE part < 1000000;

CREATE INDEX audit_log_actor ON projection.audit_log (actor, recorded_at, lane, position, part) WHERE part < 1000000;

COMMENT ON TABLE projection.pulse IS
'By channel, by model, by both (from an hour on) and of all together: U+001F stands for all channels, or all models.';
