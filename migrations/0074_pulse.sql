-- How fast and how available models and channels are, and what was refused: folded by projections/pulse.py.

-- Sums by stretches of 5 minutes, of an hour and of a day (UTC), which is what `minutes` says. Rows of tenant 0, which is no
-- tenant, are of all together, by channel and model; a tenant's own are by model, from an hour on. `latency_n` and `first_byte_n`
-- count requests by how long they took: the bounds are in the code, each about 1.4 times the one before.
CREATE TABLE projection.pulse (
    at timestamptz NOT NULL,
    minutes smallint NOT NULL,
    tenant_id bigint NOT NULL,
    channel_id text NOT NULL,
    model text NOT NULL,
    generation integer NOT NULL,
    requests integer NOT NULL,
    incomplete integer NOT NULL,
    voids integer NOT NULL,
    expired integer NOT NULL,
    failed_attempts integer NOT NULL,
    output_tokens bigint NOT NULL,
    stream_milliseconds bigint NOT NULL,
    latency_0 integer NOT NULL,
    latency_1 integer NOT NULL,
    latency_2 integer NOT NULL,
    latency_3 integer NOT NULL,
    latency_4 integer NOT NULL,
    latency_5 integer NOT NULL,
    latency_6 integer NOT NULL,
    latency_7 integer NOT NULL,
    latency_8 integer NOT NULL,
    latency_9 integer NOT NULL,
    latency_10 integer NOT NULL,
    latency_11 integer NOT NULL,
    latency_12 integer NOT NULL,
    latency_13 integer NOT NULL,
    latency_14 integer NOT NULL,
    latency_15 integer NOT NULL,
    latency_16 integer NOT NULL,
    latency_17 integer NOT NULL,
    latency_18 integer NOT NULL,
    latency_19 integer NOT NULL,
    latency_20 integer NOT NULL,
    latency_21 integer NOT NULL,
    latency_22 integer NOT NULL,
    latency_23 integer NOT NULL,
    latency_24 integer NOT NULL,
    latency_25 integer NOT NULL,
    latency_26 integer NOT NULL,
    latency_27 integer NOT NULL,
    first_byte_0 integer NOT NULL,
    first_byte_1 integer NOT NULL,
    first_byte_2 integer NOT NULL,
    first_byte_3 integer NOT NULL,
    first_byte_4 integer NOT NULL,
    first_byte_5 integer NOT NULL,
    first_byte_6 integer NOT NULL,
    first_byte_7 integer NOT NULL,
    first_byte_8 integer NOT NULL,
    first_byte_9 integer NOT NULL,
    first_byte_10 integer NOT NULL,
    first_byte_11 integer NOT NULL,
    first_byte_12 integer NOT NULL,
    first_byte_13 integer NOT NULL,
    first_byte_14 integer NOT NULL,
    first_byte_15 integer NOT NULL,
    first_byte_16 integer NOT NULL,
    first_byte_17 integer NOT NULL,
    first_byte_18 integer NOT NULL,
    first_byte_19 integer NOT NULL,
    first_byte_20 integer NOT NULL,
    first_byte_21 integer NOT NULL,
    first_byte_22 integer NOT NULL,
    first_byte_23 integer NOT NULL,
    first_byte_24 integer NOT NULL,
    first_byte_25 integer NOT NULL,
    first_byte_26 integer NOT NULL,
    first_byte_27 integer NOT NULL,
    PRIMARY KEY (tenant_id, minutes, at, channel_id, model, generation)
) WITH (fillfactor = 70);

-- Refusals by the hour (UTC).
CREATE TABLE projection.refusal_hour (
    hour timestamptz NOT NULL,
    tenant_id bigint NOT NULL,
    reason text NOT NULL,
    model text NOT NULL,
    generation integer NOT NULL,
    refusals bigint NOT NULL,
    PRIMARY KEY (tenant_id, hour, reason, model, generation)
) WITH (fillfactor = 70);

CREATE INDEX refusal_hour_time ON projection.refusal_hour (hour);

ALTER TABLE projection.pulse ENABLE ROW LEVEL SECURITY;
ALTER TABLE projection.refusal_hour ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_rows ON projection.pulse
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');

CREATE POLICY tenant_rows ON projection.refusal_hour
USING (tenant_id = ANY (nullif(current_setting('app.tenant_ids', true), '')::bigint[]) OR current_user <> 'tallygate_tenant');
