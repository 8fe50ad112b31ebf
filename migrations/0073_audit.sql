-- Who changed what, over all things and tenants, and from where movements of money were asked for.

-- One row for each thing that an event is about, in the timeline of the tenant whose lane the event stands in; folded by
-- projections/audit.py. What happens to people stands in the platform's lane: a row more for each tenant that it concerns has
-- in `detail` what that tenant may know of it. `home` is where the event is.
CREATE TABLE projection.audit_log (
    recorded_at timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL,
    part integer NOT NULL,
    generation integer NOT NULL,
    home bigint NOT NULL,
    event_id uuid NOT NULL,
    day date NOT NULL,
    type text NOT NULL,
    kind text NOT NULL,
    entity_id text NOT NULL,
    name text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    detail bytea,
    PRIMARY KEY (tenant_id, recorded_at, lane, position, part, generation)
);

-- The timeline of everybody, and that of a thing, of a kind and of a person, each by time.
CREATE INDEX audit_log_time ON projection.audit_log (recorded_at, lane, position, part) WHERE tenant_id = home;

CREATE INDEX audit_log_thing ON projection.audit_log (entity_id, kind, recorded_at);

CREATE INDEX audit_log_kind ON projection.audit_log (kind, recorded_at);

CREATE INDEX audit_log_actor ON projection.audit_log (actor, recorded_at);

ALTER TABLE projection.audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_rows ON projection.audit_log
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

-- The first of several tries says whence it came, so that the others write the same event.
ALTER TABLE admin.idempotency ADD COLUMN address text NOT NULL DEFAULT '';
