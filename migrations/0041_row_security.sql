-- The second wall between tenants: what runs as the role tallygate_tenant sees the rows of the tenants that its transaction
-- names, and nothing where it names none. docs/decisions/0012-row-security.md tells who runs so, and what it costs.
--
-- The role belongs to the whole server, not to a database, and who migrates may not be allowed to make one: so
-- adapters/postgres/row_security.py makes it and grants it what it reads, after each migration and where it can. The policies
-- need no role to be there. For every other role, the owner or an auditor, they let all rows pass; grants decide there.

ALTER TABLE ledger.lane ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.account ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin.entity ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin.entity_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin.entity_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.balances ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.request_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.credit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.usage_hourly ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.usage_hour_tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.usage_day ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.balance_day ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.statement ENABLE ROW LEVEL SECURITY;
ALTER TABLE proof.block ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_rows ON ledger.lane
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON ledger.account
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON ledger.hold
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON ledger.event
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON admin.entity
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON admin.entity_key
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON admin.entity_change
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON admin.idempotency
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.balances
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.request_log
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.credit_log
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.usage_hourly
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.usage_hour_tenant
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.usage_day
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.balance_day
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.statement
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON proof.block
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');
