-- The log and the ledger core: lanes, accounts, open holds, events. docs/ledger.md tells how they fit together.

CREATE SCHEMA ledger;

-- The ordering domain. Its row is the lock that every append of the lane takes; nothing else may update it.
CREATE TABLE ledger.lane (
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    head bigint NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT '2020-01-01 00:00:00+00',
    PRIMARY KEY (lane, tenant_id)
) WITH (fillfactor = 50);

-- Everything that limits spending. `posted - held` is what is left of it; limits that count upwards have a negative
-- posted and a negative floor. No index may name posted or held: an update must stay on its page.
CREATE TABLE ledger.account (
    account_id uuid NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    name text NOT NULL,
    unit smallint NOT NULL,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    open boolean NOT NULL DEFAULT true,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL DEFAULT 'infinity',
    purge_at timestamptz NOT NULL DEFAULT 'infinity',
    pool_id uuid,
    credit_line boolean NOT NULL DEFAULT false,
    priority integer NOT NULL DEFAULT 0,
    pool_floor bigint NOT NULL DEFAULT 0,
    spent boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, tenant_id, lane)
) WITH (fillfactor = 50);

CREATE INDEX account_pool ON ledger.account (pool_id, tenant_id, lane) WHERE pool_id IS NOT NULL AND NOT spent;

CREATE INDEX account_purge ON ledger.account (purge_at) WHERE purge_at < 'infinity';

-- Open holds only: a terminal deletes its hold, and the terminal event's key keeps a second one out for ever.
CREATE TABLE ledger.hold (
    hold_id uuid NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    day date NOT NULL,
    deadline timestamptz NOT NULL,
    pool_id uuid NOT NULL,
    accounts uuid[] NOT NULL,
    units smallint[] NOT NULL,
    pooled boolean[] NOT NULL,
    amounts bigint[] NOT NULL,
    PRIMARY KEY (hold_id, tenant_id)
);

CREATE INDEX hold_deadline ON ledger.hold (deadline);

CREATE TABLE ledger.event (
    event_id uuid NOT NULL,
    tenant_id bigint NOT NULL,
    day date NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid NOT NULL,
    digest bigint NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    data bytea NOT NULL,
    account_ids uuid[] NOT NULL,
    posted bigint[] NOT NULL,
    held bigint[] NOT NULL,
    PRIMARY KEY (event_id, tenant_id, day),
    UNIQUE (lane, position, tenant_id, day)
) PARTITION BY RANGE (day);

-- Make the partitions of some days. Called at start-up and by the housekeeper, well ahead of time.
CREATE FUNCTION ledger.create_days(p_from date, p_count integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    v_day date;
    v_made integer := 0;
BEGIN
    -- Every process calls this as it starts: without the lock, two of them make the same day and one fails.
    PERFORM pg_advisory_xact_lock(7424301);
    FOR i IN 0..p_count - 1 LOOP
        v_day := p_from + i;
        IF to_regclass(format('ledger.event_%s', to_char(v_day, 'YYYYMMDD'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE ledger.event_%s PARTITION OF ledger.event FOR VALUES FROM (%L) TO (%L)',
                to_char(v_day, 'YYYYMMDD'), v_day, v_day + 1
            );
            v_made := v_made + 1;
        END IF;
    END LOOP;
    RETURN v_made;
END
$$;

CREATE FUNCTION ledger.open_lane(p_tenant bigint, p_lane bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO ledger.lane (tenant_id, lane) VALUES (p_tenant, p_lane) ON CONFLICT DO NOTHING
$$;

-- The history is append-only. Grants say so for the application's role; the trigger says so to everybody.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger.event is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON ledger.event
FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
