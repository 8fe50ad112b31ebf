-- The movements of credit of all tenants, a page at a time in the order of time, whatever they are narrowed by: a kind that is
-- rare must not be looked for among millions of another.

CREATE INDEX credit_log_order ON projection.credit_log (recorded_at, tenant_id, lane);
CREATE INDEX credit_log_kind ON projection.credit_log (kind, recorded_at, tenant_id, lane);
CREATE INDEX credit_log_source ON projection.credit_log (source, recorded_at, tenant_id, lane);

-- The first of these serves what it served.
DROP INDEX projection.credit_log_time;
