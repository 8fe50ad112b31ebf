-- What reports read: one row for each thing that happened to a request or to credit, sums by the hour, and what is worked
-- out from those once an hour or a day is over. docs/reports.md tells which page reads what.

-- Folded by projections/usage.py, which takes the place of usage_hourly: the same, and by what was routed, tag and multiplier.
DROP TABLE projection.usage_hourly;

DELETE FROM projection.checkpoint WHERE name = 'usage_hourly';

DELETE FROM projection.generation WHERE name = 'usage_hourly';

-- The request log: rows are only ever inserted, into the partition of the day (UTC) on which the event was recorded.
CREATE TABLE projection.request_log (
    recorded_at timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL,
    generation integer NOT NULL,
    state text NOT NULL,
    request_id uuid,
    token_id text NOT NULL,
    user_id text NOT NULL,
    surface text NOT NULL,
    stream boolean NOT NULL,
    cached boolean NOT NULL,
    model_asked text NOT NULL,
    model_routed text NOT NULL,
    model_billed text NOT NULL,
    channel_id text NOT NULL,
    tags text[] NOT NULL,
    outcome text NOT NULL,
    status integer NOT NULL,
    code text NOT NULL,
    basis text NOT NULL,
    attempts integer NOT NULL,
    count bigint NOT NULL,
    latency_milliseconds bigint,
    first_byte_milliseconds bigint,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    audio_input_tokens bigint NOT NULL,
    image_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    audio_output_tokens bigint NOT NULL,
    image_output_tokens bigint NOT NULL,
    images bigint NOT NULL,
    milliseconds bigint NOT NULL,
    characters bigint NOT NULL,
    image_variant text NOT NULL,
    captured_nanos bigint NOT NULL,
    allowance_nanos bigint NOT NULL,
    overrun_nanos bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    multiplier numeric NOT NULL,
    multiplier_id text NOT NULL,
    card_id text NOT NULL,
    card_version integer NOT NULL,
    limit_name text NOT NULL,
    needed bigint NOT NULL,
    limit_amount bigint NOT NULL,
    PRIMARY KEY (tenant_id, recorded_at, lane, generation)
) PARTITION BY RANGE (recorded_at);

CREATE INDEX request_log_time ON projection.request_log (recorded_at, tenant_id, lane);

-- For rows that are copied in before their days are there, as `tallygate verify` does in its scratch database; else empty.
CREATE TABLE projection.request_log_default PARTITION OF projection.request_log DEFAULT;

-- Credit given, lapsed and taken back. There are few, so they are not partitioned. The amount is what it did to the wallet.
CREATE TABLE projection.credit_log (
    recorded_at timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL,
    generation integer NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    grant_id text NOT NULL,
    grant_kind text NOT NULL,
    amount_nanos bigint NOT NULL,
    currency text NOT NULL,
    reference text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, recorded_at, lane, generation)
);

CREATE INDEX credit_log_time ON projection.credit_log (recorded_at);

-- Sums by the hour (UTC). `part` is a hash of the columns from token_id to multiplier: an index over them all would be wider
-- than the rows. `tags` are sorted, between them U+001F.
CREATE TABLE projection.usage_hourly (
    hour timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    part uuid NOT NULL,
    generation integer NOT NULL,
    token_id text NOT NULL,
    user_id text NOT NULL,
    model_asked text NOT NULL,
    model_routed text NOT NULL,
    model_billed text NOT NULL,
    channel_id text NOT NULL,
    tags text NOT NULL,
    multiplier text NOT NULL,
    requests bigint NOT NULL,
    voids bigint NOT NULL,
    expired bigint NOT NULL,
    refusals bigint NOT NULL,
    failed_attempts bigint NOT NULL,
    adjustments bigint NOT NULL,
    latencies bigint NOT NULL,
    latency_milliseconds bigint NOT NULL,
    first_bytes bigint NOT NULL,
    first_byte_milliseconds bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    audio_input_tokens bigint NOT NULL,
    image_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    audio_output_tokens bigint NOT NULL,
    image_output_tokens bigint NOT NULL,
    images bigint NOT NULL,
    milliseconds bigint NOT NULL,
    characters bigint NOT NULL,
    captured_nanos bigint NOT NULL,
    allowance_nanos bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    PRIMARY KEY (tenant_id, hour, part, generation)
) WITH (fillfactor = 70);

CREATE INDEX usage_hourly_time ON projection.usage_hourly USING brin (hour) WITH (pages_per_range = 16, autosummarize = on);

-- What is worked out from usage_hourly and credit_log for hours and days that are over, by app/reports/closing.py. None of it
-- is part of what a projection is compared by: whoever finds it missing adds up the hours instead.
CREATE TABLE projection.usage_closed (
    generation integer NOT NULL PRIMARY KEY,
    began_at timestamptz NOT NULL,
    closed_until timestamptz NOT NULL
);

-- By hour and tenant, and by hour over all tenants: for pages of the whole platform.
CREATE TABLE projection.usage_hour_tenant (LIKE projection.usage_hourly);

ALTER TABLE projection.usage_hour_tenant DROP COLUMN part, DROP COLUMN token_id, DROP COLUMN user_id,
    DROP COLUMN model_asked, DROP COLUMN model_routed, DROP COLUMN model_billed, DROP COLUMN channel_id,
    DROP COLUMN tags, DROP COLUMN multiplier, ADD PRIMARY KEY (tenant_id, hour, generation);

CREATE INDEX usage_hour_tenant_time ON projection.usage_hour_tenant (hour);

CREATE TABLE projection.usage_hour_route (LIKE projection.usage_hourly);

ALTER TABLE projection.usage_hour_route DROP COLUMN part, DROP COLUMN tenant_id, DROP COLUMN token_id,
    DROP COLUMN user_id, DROP COLUMN tags, DROP COLUMN multiplier,
    ADD PRIMARY KEY (hour, model_asked, model_routed, model_billed, channel_id, generation);

-- By the day (UTC), with everything: for long stretches.
CREATE TABLE projection.usage_day (LIKE projection.usage_hourly);

ALTER TABLE projection.usage_day ADD PRIMARY KEY (tenant_id, hour, part, generation);

CREATE INDEX usage_day_time ON projection.usage_day (hour);

-- The balance of a wallet at the end of a day (UTC) on which it moved.
CREATE TABLE projection.balance_day (
    tenant_id bigint NOT NULL,
    day timestamptz NOT NULL,
    generation integer NOT NULL,
    balance_nanos numeric NOT NULL,
    PRIMARY KEY (tenant_id, day, generation)
);

-- Called by a fold before it writes: makes the partitions of the days, and opens hours again that had been closed too early.
-- Until the fold commits nothing is closed. A new partition is made apart and attached, so that nobody waits for it.
CREATE FUNCTION projection.begin_usage(p_generation integer, p_first timestamptz, p_last timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_day date;
    v_name text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7102, p_generation);
    UPDATE projection.usage_closed SET closed_until = date_trunc('hour', p_first, 'UTC')
    WHERE generation = p_generation AND closed_until > p_first;
    FOR v_day IN
        SELECT d::date FROM generate_series(
            (p_first AT TIME ZONE 'UTC')::date::timestamp, (p_last AT TIME ZONE 'UTC')::date::timestamp, '1 day'
        ) AS d
    LOOP
        v_name := 'request_log_' || to_char(v_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('projection.' || v_name) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(7103);
        CONTINUE WHEN to_regclass('projection.' || v_name) IS NOT NULL OR EXISTS (
            SELECT FROM projection.request_log_default
            WHERE recorded_at >= v_day::timestamp AT TIME ZONE 'UTC'
                AND recorded_at < (v_day + 1)::timestamp AT TIME ZONE 'UTC'
        );
        EXECUTE format(
            'CREATE TABLE projection.%I (LIKE projection.request_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name
        );
        EXECUTE format(
            'ALTER TABLE projection.request_log ATTACH PARTITION projection.%I FOR VALUES FROM (%L) TO (%L)',
            v_name, v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC'
        );
    END LOOP;
END
$$;

-- A statement is written once: nobody can change or delete it.
CREATE TABLE projection.statement (
    tenant_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    period text NOT NULL,
    closing_nanos numeric NOT NULL,
    sha256 text NOT NULL,
    body bytea NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, starts_at)
);

CREATE UNIQUE INDEX statement_period ON projection.statement (tenant_id, period);

CREATE FUNCTION projection.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a statement never changes' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER statement_immutable BEFORE UPDATE OR DELETE ON projection.statement
FOR EACH ROW EXECUTE FUNCTION projection.refuse_change();
