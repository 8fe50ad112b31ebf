-- Invitations are a tenant's, too, and stand behind the second wall like all that it reads.

ALTER TABLE admin.link RENAME COLUMN for_tenant TO tenant_id;

ALTER TABLE admin.link ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_rows ON admin.link
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');
