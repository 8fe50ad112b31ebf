-- What the lists of the console read: statements of all tenants by time, and what has a budget or a limit.

CREATE INDEX statement_time ON projection.statement (starts_at, tenant_id);

-- Which tenants, users and tokens have a limit at all: few of many. A quotation mark inside a name stands behind a backslash, so
-- that only fields are found.
CREATE INDEX entity_limited ON admin.entity (tenant_id, kind) WHERE kind IN ('tenant', 'user', 'token') AND NOT archived
AND (position('"budgets":[{'::bytea IN state) > 0 OR position('"limits":{"'::bytea IN state) > 0);
